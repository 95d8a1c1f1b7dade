// The power is cut at every call of a workload: whatever is left of what was not synced, everything acknowledged is there, and nothing is wrong without
// being said. Names that were not synced may be there or not, each on its own, which no journaling file system makes as hard.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { filesOf } from '../../../packages/core/src/embedded/format/file-names.js'
import type { Manifest } from '../../../packages/core/src/embedded/format/manifest.js'
import { loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { verifyIndex } from '../../../packages/core/src/embedded/verify/verify-index.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { FakeEncoder, random } from '../../support/fake-encoder.js'
import { isLong, times } from '../../support/long.js'
import { Comparison, withDocuments, without } from './plain-index.js'
import type { State } from './plain-index.js'
import { mark, record, recordedEvents } from './recorded-files.js'
import type { FileEvent } from './recorded-files.js'
import { SimulatedDisk } from './simulated-disk.js'
import type { Fate } from './simulated-disk.js'
import { documentOf } from './steps.js'

vi.mock('node:fs', async (original) =>
  (await import('./recorded-files.js')).recorded(await original<typeof import('node:fs')>()),
)

const hasHnswlib = await loadHnswlib().then(
  () => true,
  () => false,
)
const model = new FakeEncoder({ dim: 16 })
const root = mkdtempSync(join(tmpdir(), 'serotine-power-cut-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const SMALL = { segmentBytes: 20_000, compactAt: false }
const WORKLOADS: [name: string, options: Record<string, unknown>][] = [
  ['centroid codes', { firstStage: 'centroids', codec: 'f32' }],
  ['residual codes', { firstStage: 'centroids', codec: 'residual', compressTokens: 300 }],
  [
    'a graph',
    { firstStage: 'hnsw', fde: { partitioning: 'hyperplanes', repetitions: 5, simHashBits: 2, finalDim: 64 } },
  ],
]

const documents = (topic: number, from: number, to: number, revision = 0) =>
  Array.from({ length: to - from }, (_, i) =>
    documentOf({ kind: 'many', topic, n: from + i, length: 16, revision, year: 2000 + revision }),
  )

/** A mark: a change may show from now on, or has been acknowledged. */
interface Mark {
  readonly begins?: number
  readonly acknowledged?: number
}

/** Changes of every kind; returns what was there after each. */
async function work(folder: string, options: OpenOptions): Promise<State[]> {
  const states: State[] = [new Map()]
  const open = async () => MultiVectorIndex.open(folder, options)
  const change = async (next: State, make: () => Promise<unknown>): Promise<void> => {
    states.push(next)
    mark({ begins: states.length - 1 } satisfies Mark)
    await make()
    mark({ acknowledged: states.length - 1 } satisfies Mark)
  }
  let index = await open()
  mark({ acknowledged: 0 } satisfies Mark)
  const upsert = (topic: number, from: number, to: number, revision = 0) => {
    const more = documents(topic, from, to, revision)
    return change(withDocuments(states.at(-1)!, more), () => index.upsert(more))
  }
  await upsert(0, 0, 60)
  await index.prepare()
  await upsert(0, 40, 70, 1)
  await upsert(1, 0, 80)
  const gone = ['g0-3', 'g0-41', 'g1-7']
  await change(without(states.at(-1)!, gone), () => index.delete(gone))
  await index.compact()
  await index.prepare()
  await index.close()
  index = await open()
  await upsert(1, 78, 83, 2)
  const others = ['g0-0', 'g1-79']
  await change(without(states.at(-1)!, others), () => index.delete(others))
  await index.compact()
  await index.close()
  return states
}

describe.each(WORKLOADS.filter(([name]) => hasHnswlib || name !== 'a graph'))('%s', (name, given) => {
  const warnings: string[] = []
  const options = {
    model,
    onWarning: ({ code, message }) => warnings.push(`${code} ${message}`),
    ...SMALL,
    ...given,
  } as OpenOptions
  const place = join(root, name)
  // Several levels that are made with the index.
  const folder = join(place, 'data', 'birds')
  let states: State[]
  let events: FileEvent[]
  beforeAll(async () => {
    mkdirSync(place)
    record(place)
    states = await work(folder, options)
    events = recordedEvents()
  })

  test('each commit appends, syncs, renames, syncs the folder, in this order', () => {
    const disk = new SimulatedDisk(place)
    const kinds = new Set<string>()
    /** Files of the last manifest, until its folder has been synced. */
    let isPending = false
    let commits = 0
    for (const event of events) {
      if (event.op === 'rename' && event.path.endsWith('manifest.json')) {
        const manifest = JSON.parse(disk.seen(event.file).toString()) as Manifest
        for (const file of filesOf(manifest)) {
          const bytes = disk.durable(join(folder, file))
          expect([file, bytes !== undefined && bytes.length >= bytesOf(manifest, file)]).toEqual([file, true])
          kinds.add(file.replace(/^\d+\./, ''))
        }
        expect(disk.durable(event.from.toString())?.toString() ?? 'name not synced').toMatch(
          /^(\{.*\}\n|name not synced)$/s,
        )
        isPending = true
        commits++
      } else if (isPending) {
        // Nothing is removed, and nothing acknowledged, before.
        expect(['unlink', 'mark'].includes(event.op), JSON.stringify(event).slice(0, 200)).toBe(false)
        if (event.op === 'syncFolder' && event.path === folder) isPending = false
      }
      disk.apply(event)
    }
    expect(commits).toBeGreaterThan(8)
    const stage = name === 'a graph' ? ['fde-codes', 'hnsw-graph'] : ['centroids-codes', 'centroids-learned']
    const expected = ['deleted', 'keywords-codes', 'table', 'texts', 'tokens', ...stage]
    expect([...kinds]).toEqual(expect.arrayContaining(name === 'residual codes' ? [...expected, 'codebook'] : expected))
  })

  test('what is left after a power cut holds everything acknowledged', async () => {
    const disk = new SimulatedDisk(place)
    const comparison = new Comparison(model, options.codec ?? 'int8')
    const next = random(Number(process.env['SEROTINE_SEED'] ?? 1))
    let [least, most, cuts] = [-1, 0, 0]
    for (const [i, event] of events.entries()) {
      disk.apply(event)
      if (event.op === 'mark') {
        const { begins, acknowledged } = event.mark as Mark
        most = begins ?? most
        least = acknowledged ?? least
      }
      if (!isLong && i % 29 !== 0) continue
      for (const fate of fates(next, i, times(1, 2))) {
        const target = join(root, `cut-${name}-${cuts++}`)
        disk.cut(target, fate)
        const copy = join(target, 'data', 'birds')
        try {
          // Learning takes its time.
          await expectWhole(copy, states.slice(Math.max(0, least), most + 1), least >= 0, comparison, cuts % 13 === 0)
        } catch (error) {
          throw new Error(`after event ${i} (${event.op}), cut ${cuts - 1}: ${String(error)}`, { cause: error })
        }
        rmSync(target, { recursive: true, force: true })
      }
    }
    expect(cuts).toBeGreaterThan(100)
  }, 1_800_000)

  async function expectWhole(
    copy: string,
    allowed: State[],
    isMade: boolean,
    comparison: Comparison,
    learns: boolean,
  ): Promise<void> {
    warnings.length = 0
    // Whom a lock is of, is another question.
    rmSync(join(copy, 'lock'), { force: true })
    if (isMade) expect((await verifyIndex(copy)).problems).toEqual([])
    const index = await MultiVectorIndex.open(copy, { ...options, create: !isMade })
    try {
      const wrong = await Promise.all(allowed.map((state) => comparison.contents(index, state)))
      const found = wrong.lastIndexOf(undefined)
      if (found < 0) expect(wrong).toContain(undefined)
      const state = allowed[found]!
      const expectSearches = async () => {
        const query = documentOf({ kind: 'query', topic: 0, n: 5, length: 6 }).text
        for (const firstStage of [undefined, 'exact'] as const) {
          const k = state.size + 10
          const hits = await index.search(query, { k, candidates: k, ...(firstStage && { firstStage }) })
          expect(comparison.hits(hits, query, state, { k: k })).toBe(undefined)
        }
      }
      await expectSearches()
      if (learns) {
        await index.prepare()
        await expectSearches()
      }
      expect(await index.verify()).toEqual([])
      expect(warnings).toEqual([])
    } finally {
      await index.close({ prepare: false })
    }
  }
})

/** Committed bytes of a file. */
function bytesOf({ segments, deleted, derived, codebooks = [] }: Manifest, name: string): number {
  const extents = [deleted, ...codebooks, ...Object.values(derived).flatMap(({ files }) => Object.values(files))]
  for (const { id, tokenBytes, textBytes, table } of segments) {
    const number = String(id).padStart(6, '0')
    extents.push(
      { file: `${number}.tokens`, bytes: tokenBytes, crc: 0 },
      { file: `${number}.texts`, bytes: textBytes, crc: 0 },
    )
    extents.push({ file: `${number}.table`, ...table })
  }
  return extents.find(({ file }) => file === name)!.bytes
}

/** What may become of calls that were not synced: all or nothing of them, or all names and other contents; and so many times anything. */
function fates(next: () => number, event: number, more: number): Fate[] {
  const both = (name: boolean, write: ReturnType<Fate['write']>): Fate => ({ name: () => name, write: () => write })
  const whole = [
    both(false, 'lost'),
    both(true, 'done'),
    both(true, 'lost'),
    both(true, 'zeros'),
    both(true, 'garbage'),
  ]
  const anything: Fate = {
    name: () => next() < 0.5,
    write: () => {
      const what = Math.floor(next() * 5)
      return what === 4 ? { share: next() } : (['done', 'lost', 'zeros', 'garbage'] as const)[what]!
    },
  }
  const some = [0, 2].map((i) => whole[(event + i) % whole.length]!)
  return [...some, ...Array.from({ length: more }, () => anything)]
}
