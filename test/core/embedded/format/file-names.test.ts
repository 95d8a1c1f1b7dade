import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  droppedFiles,
  fileName,
  filesOf,
  highestNumber,
  inspectFolder,
  leftovers,
  segmentFiles,
  shifted,
} from '../../../../packages/core/src/embedded/format/file-names.js'
import type { DerivedManifest, Manifest } from '../../../../packages/core/src/embedded/format/manifest.js'
import { numbers, StagedIndex } from '../../../support/staged-index.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-names-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const extent = { bytes: 1, crc: 0 }
const manifest = {
  segments: [{ id: 2, documents: 1, tokenBytes: 1, textBytes: 1, table: extent }],
  deleted: { file: '000001.deleted', ...extent },
  derived: {
    centroids: {
      files: {
        learned: { file: '000003.centroids-learned', ...extent },
        codes: { file: '000004.centroids-codes', ...extent },
      },
    } as unknown as DerivedManifest,
  },
} as unknown as Manifest
const write = (...names: string[]) => names.forEach((name) => writeFileSync(join(folder, name), 'x'))

describe('names of files', () => {
  test('have six digits or more, and what they hold', () => {
    expect(fileName(7, 'tokens')).toBe('000007.tokens')
    expect(fileName(1_234_567, 'hnsw-graph')).toBe('1234567.hnsw-graph')
    expect(segmentFiles(2)).toEqual(['000002.tokens', '000002.texts', '000002.table'])
    expect(shifted('000009.deleted', 3)).toBe('000012.deleted')
    expect(shifted('999999.fde-codes', 1)).toBe('1000000.fde-codes')
  })

  test('are all in the manifest', () => {
    expect(filesOf(manifest)).toEqual([
      '000002.tokens',
      '000002.texts',
      '000002.table',
      '000001.deleted',
      '000003.centroids-learned',
      '000004.centroids-codes',
    ])
  })

  test('are dropped when the next manifest does not mention them', () => {
    expect(droppedFiles(manifest, manifest)).toEqual([])
    const { learned } = manifest.derived['centroids']!.files
    const codes = { file: '000006.centroids-codes', ...extent }
    const next: Manifest = {
      ...manifest,
      segments: [{ ...manifest.segments[0]!, id: 7 }],
      derived: { centroids: { ...manifest.derived['centroids']!, files: { learned: learned!, codes } } },
    }
    expect(droppedFiles(manifest, next)).toEqual([...segmentFiles(2), '000004.centroids-codes'])
    expect(droppedFiles(manifest, { ...manifest, derived: {} })).toEqual([
      '000003.centroids-learned',
      '000004.centroids-codes',
    ])
  })

  test('that are ours and not in the manifest are left over, those of others are not ours', () => {
    const ours = [
      '000005.tokens',
      '000009.newest-codes',
      '000010.hnsw-graph.tmp',
      '000002.fde',
      '000003.hnsw',
      '0000011.codes',
    ]
    const others = [
      'notes.txt',
      '5.tokens',
      '000005.tokens.bak',
      '000005.mp3',
      '000006.-codes',
      'x000005.tokens',
      'manifest.json',
    ]
    write(...filesOf(manifest), ...ours, ...others)
    expect(leftovers(folder, manifest).sort()).toEqual(ours.sort())
    expect(highestNumber(folder)).toBe(11)
  })

  test('count from nothing in an empty folder', () => {
    expect(highestNumber(folder)).toBe(0)
  })
})

describe('a folder', () => {
  test('is missing, empty, an index or something else', () => {
    expect(inspectFolder(join(folder, 'nowhere'))).toBe('missing')
    expect(inspectFolder(folder)).toBe('empty')
    // What an interrupted first commit leaves.
    write('000001.deleted', 'lock', 'lock.123', 'manifest.json.tmp')
    expect(inspectFolder(folder)).toBe('empty')
    write('000002.tokens', 'a', 'b', 'c')
    expect(() => inspectFolder(folder)).toThrow(
      /is not a Serotine index: it holds "000002.tokens", "a", "b" … but no manifest/,
    )
    expect(() => inspectFolder(join(folder, 'a'))).toThrow(/it is a file/)
    write('manifest.json')
    expect(inspectFolder(folder)).toBe('index')
  })

  test('opened by a writer loses what is left over, and nothing else', async () => {
    const index = await StagedIndex.open({ folder })
    await index.put(numbers(0, 3))
    await index.close()
    const names = readdirSync(folder)
    write('000077.fde-codes', '000078.hnsw-graph.tmp', 'notes.txt')
    await (await StagedIndex.open({ folder, readonly: true })).close()
    expect(readdirSync(folder)).toHaveLength(names.length + 3)
    await (await StagedIndex.open({ folder })).close()
    expect(readdirSync(folder).sort()).toEqual([...names, 'notes.txt'].sort())
  })
})
