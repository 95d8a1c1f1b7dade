import { describe, expect, test } from 'vitest'
import { encodeRecord } from '../../../packages/core/src/store/records.js'
import { measureSuitability } from '../../../packages/core/src/store/suitability/measure.js'
import type { MeasuredStage } from '../../../packages/core/src/store/suitability/measure.js'
import {
  candidatesWanted,
  chooseCandidates,
  pieceOrigins,
  piecesAsQueries,
  suitabilityIsDue,
  unsuitable,
} from '../../../packages/core/src/store/suitability/rules.js'
import type { Whole } from '../../../packages/core/src/store/suitability/rules.js'
import type { StoreReader, Suitability } from '../../../packages/core/src/store/store.js'
import { FakeEncoder } from '../../support/fake-encoder.js'

const known: Suitability = { recall: 0.99, candidates: 300, queries: 24, collection: 1500 }
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

describe('when and how', () => {
  test('it is due from a thousand documents on, then at each doubling', () => {
    expect([999, 1000].map((documents) => suitabilityIsDue(documents, null))).toEqual([false, true])
    expect([1499, 2999, 3000].map((documents) => suitabilityIsDue(documents, known))).toEqual([false, false, true])
    // Documents were deleted since.
    expect(suitabilityIsDue(900, { ...known, collection: 100 })).toBe(false)
  })

  test('a search takes what it asks for, else what was measured, and more for more than ten hits', () => {
    expect(candidatesWanted({}, null)).toBe(100)
    expect(candidatesWanted({}, known)).toBe(300)
    expect(candidatesWanted({ k: 10 }, known)).toBe(300)
    expect(candidatesWanted({ k: 50 }, known)).toBe(340)
    expect(candidatesWanted({ k: 50, count: 80 }, known)).toBe(80)
    expect(candidatesWanted({ k: 50, count: 20 }, known)).toBe(50)
  })

  test('pieces come from all over the collection and from its last sixteenth', () => {
    const places = pieceOrigins(1600)
    expect(places).toHaveLength(24)
    expect(places.slice(0, 12)).toEqual([66, 200, 333, 466, 600, 733, 866, 1000, 1133, 1266, 1400, 1533])
    expect(Math.min(...places.slice(12))).toBeGreaterThanOrEqual(1500)
    expect(Math.max(...places)).toBeLessThan(1600)
    expect(pieceOrigins(3)).toEqual([0, 1, 2, 2])
    expect(pieceOrigins(0)).toEqual([])
  })
})

describe('pieces', () => {
  const model = new FakeEncoder()
  const whole = (text: string | undefined): Whole => ({
    text,
    embeddings: () => model.embed('a b c d e f g h i j k l'),
  })
  const seen: string[][] = []
  const encodeQueries = (texts: readonly string[]) => {
    seen.push([...texts])
    return model.encodeQueries(texts)
  }

  test('are the ten middle words through the model where every document has some', async () => {
    const words = numbers(14).map(String)
    const queries = await piecesAsQueries([whole(words.join(' \n')), whole('few words')], encodeQueries)
    expect(seen.pop()).toEqual([words.slice(2, 12).join(' '), 'few words'])
    expect(queries[1]).toEqual(model.embed('few words'))
  })

  test('are the ten middle tokens where a text is missing, or has no words, or there is no model', async () => {
    // Start, twelve words, end.
    const { data } = model.embed('a b c d e f g h i j k l')
    const middle = { data: data.slice(2 * model.dim, 12 * model.dim), length: 10, dim: model.dim }
    for (const [text, encode] of [
      [undefined, encodeQueries],
      ['  ', encodeQueries],
      ['a b', undefined],
    ] as const) {
      expect(await piecesAsQueries([whole('there'), whole(text)], encode)).toEqual([middle, middle])
    }
    expect(seen).toEqual([])
  })
})

describe('chooseCandidates', () => {
  test('takes the fewest that keep enough, and says what the usual ones keep', () => {
    const best = [numbers(10), numbers(10)]
    // The last of the top ten is at rank 150 for one query, at the front for the other.
    const late = [...numbers(9), ...numbers(141, 100), 9, ...numbers(500, 1000)]
    expect(chooseCandidates([late, numbers(500)], best, 5000)).toEqual({
      suitability: { recall: 1, candidates: 200, queries: 2, collection: 5000 },
      ofUsual: expect.closeTo(0.95, 10) as number,
    })
  })

  test('takes the most there are where none keeps enough', () => {
    const found = [Int32Array.from(numbers(800, 5))]
    const { suitability, ofUsual } = chooseCandidates(found, [numbers(10)], 5000)
    expect(suitability).toEqual({ recall: 0.5, candidates: 1000, queries: 1, collection: 5000 })
    expect(ofUsual).toBe(0.5)
  })

  test('what keeps less than half is said, with the numbers and the remedy', () => {
    const measured = { suitability: { ...known, candidates: 1000 }, ofUsual: 0.4961 }
    expect(unsuitable('FDE', { ...measured, ofUsual: 0.5 }, 'Do so.')).toBeUndefined()
    expect(unsuitable('centroid', measured, 'Do so.')!.code).toBe('CENTROIDS_UNSUITABLE')
    expect(unsuitable('FDE', measured, 'Do so.')).toEqual({
      code: 'FDE_UNSUITABLE',
      message:
        'The FDE first stage keeps 50 % of the exact top 10 among 100 candidates (24 pieces of text against all documents), so searches take 1000. Do so.',
    })
  })
})

describe('measureSuitability', () => {
  /** Documents of one token, at angles that grow with their number; the query is the first, so that lower numbers are nearer. */
  const count = 1500
  const vector = (i: number) => Float32Array.from([Math.cos(i / 1000), Math.sin(i / 1000)])
  const readTokens: StoreReader['readTokens'] = async (ids, sink) => {
    for (const [position, id] of ids.entries()) {
      const record = encodeRecord('f32', { data: vector(Number(id)), length: 1, dim: 2 })
      sink.room(record.length).set(record)
      sink.record(position, 0, 1)
    }
  }
  const stage = (tokens: number, asked: number[], order = (ids: string[]) => ids): MeasuredStage => ({
    codec: 'f32',
    documents: count,
    tokens,
    pieces: [{ origin: '0', query: { data: vector(0), length: 1, dim: 2 } }],
    candidates: async (_, wanted) => {
      asked.push(wanted)
      return order(numbers(count).map(String)).slice(0, wanted)
    },
    all: async function* () {
      for (let at = 0; at < count; at += 400) {
        yield { ids: numbers(Math.min(400, count - at), at).map(String), reader: { readTokens } }
      }
    },
    reading: (work) => work({ readTokens }),
  })
  /** The first so many come last. */
  const behind = (first: number) => (ids: string[]) => [...ids.slice(first), ...ids.slice(0, first)]

  test('compares with all documents while they are few, without the one that the piece is of', async () => {
    const asked: number[] = []
    const { suitability, ofUsual } = await measureSuitability(stage(300_000, asked), undefined)
    expect(suitability).toEqual({ recall: 1, candidates: 100, queries: 1, collection: count })
    expect([ofUsual, asked]).toEqual([1, [1001]])
    // 1 to 5 are in no list of candidates, and still the best.
    const worse = await measureSuitability(stage(300_000, asked, behind(6)), undefined)
    expect(worse.suitability).toMatchObject({ recall: 0.5, candidates: 1000 })
  })

  test('compares with the best of 2,000 candidates where there are more tokens, and reads each once', async () => {
    const [asked, read]: [number[], string[]] = [[], []]
    const one = stage(300_001, asked, behind(6))
    const pieces = [...one.pieces, { ...one.pieces[0]!, origin: '1' }]
    const reading: MeasuredStage['reading'] = (work) =>
      work({
        readTokens: (ids, sink) => {
          read.push(...ids)
          return readTokens(ids, sink)
        },
      })
    const measured = await measureSuitability({ ...one, pieces, reading }, undefined)
    expect(asked).toEqual([2001, 2001])
    expect(read).toHaveLength(count)
    // All 1,500 are candidates here: five of the best are at its end.
    expect(measured.suitability).toMatchObject({ recall: 0.5, candidates: 1000 })
  })

  test('ends when it is aborted', async () => {
    const reason = new Error('enough')
    await expect(measureSuitability(stage(300_000, []), AbortSignal.abort(reason))).rejects.toBe(reason)
  })
})
