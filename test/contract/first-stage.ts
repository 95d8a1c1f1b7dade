import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { Bitset } from '../../packages/core/src/embedded/commit/bitset.js'
import { Successor } from '../../packages/core/src/embedded/commit/compaction/successor.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { bitsetOf, embeddingsOf, faultsOf, numbers, queryOf, stageFiles } from '../support/staged-index.js'
import { describeStageFiles } from './first-stage-files.js'
import { agreement, bestOf, indexesWith, queries, shareFound } from './stage-under-test.js'
import type { StageUnderTest } from './stage-under-test.js'

/** What every first stage must do, whatever it does to find candidates. */
export function describeFirstStage(stage: StageUnderTest): void {
  const { name, isCoded } = stage
  const { folder, open, made } = indexesWith(stage)

  describe('searching', () => {
    test('finds most of what exact MaxSim finds', async () => {
      const index = await made(1000, { folder: undefined })
      let kept = 0
      for (const n of queries) {
        const { ordinals } = (await index.search(name, queryOf(n), 100))!
        kept += shareFound(exactTop10(n), ordinals) / queries.length
      }
      expect(kept).toBeGreaterThanOrEqual(stage.minRecall)
    })

    test('ranks by its estimate, best first, ties by ordinal', async () => {
      // Those from 1,000 on say what others say.
      const index = await made(1300, { folder: undefined })
      let [found, ties] = [0, 0]
      for (const n of queries) {
        const query = queryOf(n)
        const estimate = await stage.estimate(index, query)
        const { ordinals, scores } = (await index.search(name, query, 100))!
        expect(ordinals).toHaveLength(100)
        expect(new Set(ordinals).size).toBe(100)
        for (let i = 0; i < 100; i++) {
          expect(Math.abs(scores[i]! - estimate(ordinals[i]!))).toBeLessThan(stage.tolerance * query.length)
          if (i === 0) continue
          expect(scores[i - 1]!).toBeGreaterThanOrEqual(scores[i]!)
          if (scores[i - 1] !== scores[i]) continue
          ties++
          expect(ordinals[i - 1]!).toBeLessThan(ordinals[i]!)
        }
        found += shareFound(bestOf(numbers(0, 1300), estimate, 100), ordinals) / queries.length
      }
      expect(found).toBeGreaterThanOrEqual(stage.minFound)
      expect(ties).toBeGreaterThan(100)
    })

    test('keeps to the allowed documents, however few', async () => {
      const index = await made(1000, { folder: undefined })
      for (const step of [2, 3, 10, 500]) {
        const some = numbers(0, 1000).filter((i) => i % step === 0)
        for (const n of queries.slice(0, 5)) {
          const query = queryOf(n)
          const { ordinals } = (await index.search(name, query, 20, bitsetOf(some)))!
          expect(ordinals.every((ordinal) => ordinal % step === 0)).toBe(true)
          const best = bestOf(some, await stage.estimate(index, query), 20)
          expect(ordinals.length).toBeLessThanOrEqual(best.length)
          expect(shareFound(best, ordinals)).toBeGreaterThanOrEqual(stage.minFound - 0.1)
        }
      }
      expect(await index.search(name, queryOf(1), 20, new Bitset())).toEqual({ ids: [], ordinals: [], scores: [] })
    })

    test('more than there are gives all', async () => {
      const index = await made(300)
      const { ordinals } = (await index.search(name, queryOf(5), 1000))!
      expect(ordinals.toSorted((a, b) => a - b)).toEqual(numbers(0, 300))
      await index.close()
    })

    test('the same query twice gives the same answer', async () => {
      const index = await made(400, { folder: undefined })
      expect(await index.answers(name, queries, 50)).toEqual(await index.answers(name, queries, 50))
    })

    test('a query without tokens is no error', async () => {
      const index = await made(300, { folder: undefined })
      const none = { data: new Float32Array(0), length: 0, dim: 16 }
      expect((await index.search(name, none, 5))!.ordinals.length).toBeLessThanOrEqual(5)
    })

    test('with nothing in it there is nothing to search, before and after upkeep', async () => {
      const index = await open({ folder: undefined })
      for (let i = 0; i < 2; i++) {
        expect(index.stage(name).rows).toBe(0)
        expect(await index.search(name, queryOf(0), 10)).toBeUndefined()
        await index.upkeep()
      }
    })

    test('makes nothing: that is for upkeep', async () => {
      const index = await open()
      await index.put(numbers(0, 300))
      const { generation } = index.files.manifest
      expect(await index.search(name, queryOf(0), 10)).toBeUndefined()
      expect([index.stage(name).rows, index.stage(name).isKept]).toEqual([0, true])
      expect([index.files.manifest.generation, stageFiles(folder(), name)]).toEqual([generation, []])
      await index.close()
    })

    test('deleted documents are not found', async () => {
      const index = await made(300, { folder: undefined })
      await index.delete([3, 5])
      const { ids } = (await index.search(name, queryOf(5), 300))!
      expect(ids).toHaveLength(298)
      expect(ids).not.toContain('d5')
    })
  })

  describe('writing', () => {
    test.runIf(isCoded)('new documents are found as soon as they are committed', async () => {
      const index = await made(300)
      for (const [from, to] of [
        [300, 301],
        [301, 400],
        [400, 600],
      ] as const) {
        await index.put(numbers(from, to))
        expect([index.stage(name).rows, index.derived(name)!.rows]).toEqual([to, to])
        const { ids } = (await index.search(name, embeddingsOf(to - 1), 5))!
        expect(ids).toContain(`d${to - 1}`)
      }
      // The old state of a replaced document keeps its place, and is not found.
      await index.put([7])
      expect(index.stage(name).rows).toBe(601)
      expect((await index.search(name, embeddingsOf(7), 700))!.ids.filter((id) => id === 'd7')).toEqual(['d7'])
      await index.close()
    })

    test.runIf(isCoded).each(['int8', 'f16', 'f32'] as const)(
      'codes made with the commit are those that upkeep makes (%s)',
      async (codec) => {
        const codes: Uint8Array[] = []
        for (const coded of [true, false]) {
          const index = await made(300, { folder: undefined, codec })
          await index.put(numbers(300, 500), { coded })
          expect(index.stage(name).rows).toBe(coded ? 500 : 300)
          await index.upkeep()
          expect([index.stage(name).rows, index.derived(name)!.rows]).toEqual([500, 500])
          codes.push(index.files.readDerived(name, 'codes'))
        }
        expect(Buffer.compare(codes[0]!, codes[1]!)).toBe(0)
      },
    )

    test('upkeep covers everything, and has nothing left to do', async () => {
      const index = await made(300)
      await index.put(numbers(300, 400))
      await index.upkeep()
      expect(index.stage(name).rows).toBe(400)
      const { manifest } = index.files
      await index.upkeep()
      expect(index.files.manifest).toBe(manifest)
      expect(Object.keys(manifest.derived[name]!.files)).toEqual(stage.roles)
      expect(faultsOf(index)).toEqual([])
      await index.close()
    })

    test('compaction keeps what it finds', async () => {
      const index = await made(500, { segmentBytes: 20_000 })
      await index.put([499, 3])
      await index.delete(numbers(100, 350))
      await index.upkeep()
      const before = await index.answers(name, queries)
      await index.compact()
      // Before timers and sockets get their turn: nothing is read for it.
      if (isCoded)
        expect(await Promise.race([index.stage(name).searcher(index.files.collection), nextTurn()])).toBeDefined()
      else await index.upkeep()
      const after = await index.answers(name, queries)
      expect(index.stage(name).rows).toBe(250)
      if (isCoded) {
        const plain = (answers: typeof before) => answers.map((answer) => [answer!.ids, answer!.scores])
        expect(plain(after)).toEqual(plain(before))
      } else {
        // It is another graph.
        expect(agreement(before, after)).toBeGreaterThanOrEqual(0.8)
      }
      const { manifest } = index.files
      await index.upkeep()
      expect(index.files.manifest).toBe(manifest)
      expect(faultsOf(index)).toEqual([])
      await index.close()
    })

    test.runIf(isCoded)(
      'what cannot be handed over when the index is compacted is read by the next search',
      async () => {
        const index = await made(300)
        await index.delete(numbers(0, 100))
        const before = await index.answers(name, queries)
        const broken = vi.spyOn(Successor.prototype, 'codesInPieces').mockImplementation(() => {
          throw new RangeError('Array buffer allocation failed')
        })
        await index.compact()
        expect(broken.mock.calls.map(([stage]) => stage)).toContain(name)
        const after = await index.answers(name, queries)
        expect(agreement(before, after)).toBe(1)
        expect(faultsOf(index)).toEqual([])
        await index.close()
      },
    )

    test('a snapshot never shows what was written, deleted or compacted after it was taken', async () => {
      const index = await made(300)
      const snapshot = index.files.begin()
      const allowed = snapshot.allowed(undefined).documents
      await index.put(numbers(300, 600))
      await index.delete([5])
      await index.upkeep()
      const seen = (await index.search(name, embeddingsOf(5), 1000, allowed))!
      expect(seen.ordinals.toSorted((a, b) => a - b)).toEqual(numbers(0, 300))
      await index.compact()
      // Its ordinals are no longer those of the index: it is not served by what is there now.
      expect(await index.stage(name).searcher(snapshot.collection)).toBeUndefined()
      index.files.end(snapshot)
      await index.close()
    })
  })

  describeStageFiles(stage)
}

const exact = new Map<number, number[]>()

/** The best of the first 1,000 documents by MaxSim, for the query of document n. */
function exactTop10(n: number): number[] {
  let best = exact.get(n)
  if (!best) exact.set(n, (best = bestOf(numbers(0, 1000), (i) => maxSim(queryOf(n), embeddingsOf(i)), 10)))
  return best
}

function maxSim(query: TokenEmbeddings, document: TokenEmbeddings): number {
  const { dim } = query
  let total = 0
  for (let i = 0; i < query.length; i++) {
    let best = -Infinity
    for (let j = 0; j < document.length; j++) {
      let dot = 0
      for (let k = 0; k < dim; k++) dot += query.data[i * dim + k]! * document.data[j * dim + k]!
      best = Math.max(best, dot)
    }
    total += best
  }
  return total
}
