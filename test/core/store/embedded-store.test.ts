import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { EmbeddedStore } from '../../../packages/core/src/embedded/embedded-store.js'
import { storeContract } from '../../contract/store.js'

const folder = mkdtempSync(join(tmpdir(), 'serotine-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

storeContract('a store of files', {
  // Segments of a few documents, so that every case has several.
  open: ({ collection, codec, readonly }) =>
    EmbeddedStore.open(join(folder, collection), { codec, readonly, segmentBytes: 20_000 }),
  serves: ['auto', 'exact', 'centroids'],
})

storeContract('a store of files with FDEs', {
  open: ({ collection, codec, readonly }) =>
    EmbeddedStore.open(join(folder, `muvera-${collection}`), { codec, readonly, firstStage: 'muvera' }),
  serves: ['auto', 'exact', 'centroids', 'fde', 'hnsw', 'muvera'],
})

storeContract('a store of files in memory', {
  open: ({ codec }) => EmbeddedStore.open(undefined, { codec, firstStage: 'centroids' }),
  opensReadonly: false,
  serves: ['auto', 'exact', 'centroids'],
})
