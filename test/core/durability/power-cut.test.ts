// The power is cut at every call of a workload: whatever is left of what was not synced, everything acknowledged is there, and nothing is wrong without
// being said. Names that were not synced may be there or not, each on its own, which no journaling file system makes as hard.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { filesOf } from '../../../packages/core/src/embedded/format/file-names.js'
import type { Manifest } from '../../../packages/core/src/embedded/format/manifest.js'
import { loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { random } from '../../support/fake-encoder.js'
import { isLong, times } from '../../support/long.js'
import { expectWhole } from './expect-whole.js'
import { mark, record, recordedEvents } from './recorded-files.js'
import type { FileEvent } from './recorded-files.js'
import { SimulatedDisk } from './simulated-disk.js'
import type { Fate } from './simulated-disk.js'
import { INDEXES, optionsOf, sessions, statesOf, work } from './workload.js'

vi.mock('node:fs', async (original) =>
  (await import('./recorded-files.js')).recorded(await original<typeof import('node:fs')>()),
)

const hasHnswlib = await loadHnswlib().then(
  () => true,
  () => false,
)
const root = mkdtempSync(join(tmpdir(), 'serotine-power-cut-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A mark: a change may show from now on, or has been acknowledged. */
interface Mark {
  readonly begins?: number
  readonly acknowledged?: number
}

describe.each(Object.keys(INDEXES).filter((name) => hasHnswlib || name !== 'a graph'))('%s', (name) => {
  const place = join(root, name)
  // Several levels that are made with the index.
  const folder = join(place, 'data', 'birds')
  const all = sessions(80)
  const states = statesOf(all)
  let events: FileEvent[]
  beforeAll(async () => {
    mkdirSync(place)
    record(place)
    await work(
      folder,
      optionsOf(name),
      all,
      (begins) => mark({ begins } satisfies Mark),
      (acknowledged) => mark({ acknowledged } satisfies Mark),
    )
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
    // Compactions go in steps, which are cut off like everything else.
    const steps: number[] = []
    for (const event of events) {
      if (event.op === 'mark' && (event.mark as Mark).begins !== undefined) steps.push(0)
      else if (event.op === 'rename' && event.path.endsWith('manifest.json') && steps.length > 0)
        steps[steps.length - 1]!++
    }
    const changes = all.flatMap((session) => session.changes)
    // In one step it would be one, and one of the graph, which is saved now or during the next change.
    expect(steps[changes.findIndex(({ name }) => name === 'compact')]).toBeGreaterThan(
      name === 'residual codes' ? 1 : 2,
    )
    const stage = name === 'a graph' ? ['fde-codes', 'hnsw-graph'] : ['centroids-codes', 'centroids-learned']
    const expected = ['deleted', 'keywords-codes', 'table', 'texts', 'tokens', ...stage]
    expect([...kinds]).toEqual(expect.arrayContaining(name === 'residual codes' ? [...expected, 'codebook'] : expected))
  })

  test('what is left after a power cut holds everything acknowledged', async () => {
    const disk = new SimulatedDisk(place)
    const next = random(Number(process.env['SEROTINE_SEED'] ?? 1))
    let [least, most, cuts] = [-1, 0, 0]
    for (const [i, event] of events.entries()) {
      disk.apply(event)
      if (event.op === 'mark') {
        const { begins, acknowledged } = event.mark as Mark
        most = begins ?? most
        least = acknowledged ?? least
      }
      if (!isLong && i % 41 !== 0) continue
      for (const fate of fates(next, i, times(1, 2))) {
        const target = join(root, `cut-${name}-${cuts++}`)
        disk.cut(target, fate)
        const copy = join(target, 'data', 'birds')
        try {
          // Whose a lock is, is another question.
          rmSync(join(copy, 'lock'), { force: true })
          const allowed = states.slice(Math.max(0, least), most + 1)
          await expectWhole(copy, name, { allowed, isMade: least >= 0, learns: cuts % 13 === 0 })
        } catch (error) {
          throw new Error(`after event ${i} (${event.op}), cut ${cuts - 1}: ${String(error)}`, { cause: error })
        }
        rmSync(target, { recursive: true, force: true })
      }
    }
    expect(cuts).toBeGreaterThan(100)
  }, 7_200_000)
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
