import * as fc from '../../support/fast-check.js'
import { describe, expect, test } from 'vitest'
import {
  reciprocalRankFusion,
  relativeScoreFusion,
  standardScoreFusion,
} from '../../../packages/core/src/scoring/fuse.js'

const code = (name: string) => expect.objectContaining({ code: name })
const lexical = [
  { id: 'a', score: 12 },
  { id: 'b', score: 7 },
  { id: 'c', score: 2 },
]
const late = [
  { id: 'b', score: 20 },
  { id: 'd', score: 19 },
  { id: 'a', score: 15 },
]

test('reciprocal rank fusion adds 1 / (60 + rank)', () => {
  const fused = reciprocalRankFusion([lexical, late])
  expect(fused.map(({ id }) => id)).toEqual(['b', 'a', 'd', 'c'])
  expect(fused[0]!.score).toBeCloseTo(1 / 62 + 1 / 61, 12)
  expect(fused[3]!.score).toBeCloseTo(1 / 63, 12)
  expect(reciprocalRankFusion([lexical], { k: 0 })[1]!.score).toBeCloseTo(1 / 2, 12)
})

test('relative score fusion stretches each list to 0…1', () => {
  const fused = new Map(relativeScoreFusion([lexical, late], { weights: [1, 2] }).map(({ id, score }) => [id, score]))
  expect(fused.get('a')).toBeCloseTo(1 + 0, 12)
  expect(fused.get('b')).toBeCloseTo(0.5 + 2, 12)
  expect(fused.get('c')).toBeCloseTo(0, 12)
  expect(fused.get('d')).toBeCloseTo(2 * 0.8, 12)
  expect(
    relativeScoreFusion([
      [
        { id: 1, score: 5 },
        { id: 2, score: 5 },
      ],
    ]),
  ).toEqual([
    { id: 1, score: 1 },
    { id: 2, score: 1 },
  ])
})

test('standard score fusion: what a list lacks counts as its lowest', () => {
  const fused = new Map(
    standardScoreFusion([
      [
        { id: 'a', score: 3 },
        { id: 'b', score: 1 },
      ],
      [{ id: 'b', score: 9 }],
    ]).map(({ id, score }) => [id, score]),
  )
  expect(fused.get('a')).toBeCloseTo(1, 12)
  expect(fused.get('b')).toBeCloseTo(-1, 12)
})

describe.each([reciprocalRankFusion, relativeScoreFusion, standardScoreFusion])('%o', (fuse) => {
  const ranking = fc
    .uniqueArray(fc.record({ id: fc.integer({ min: 0, max: 20 }), score: fc.integer({ min: -50, max: 50 }) }), {
      selector: ({ id }) => id,
      maxLength: 12,
    })
    .map((list) => [...list].sort((a, b) => b.score - a.score))

  test('holds every id once, best first, and one list keeps its order', () => {
    fc.assert(
      fc.property(fc.array(ranking, { maxLength: 4 }), (lists) => {
        const fused = fuse(lists)
        expect(fused.map(({ id }) => id).sort((a, b) => a - b)).toEqual(
          [...new Set(lists.flat().map(({ id }) => id))].sort((a, b) => a - b),
        )
        fused.forEach(({ score }, i) => expect(score).toBeLessThanOrEqual(fused[i - 1]?.score ?? Infinity))
        for (const list of lists) expect(fuse([list]).map(({ id }) => id)).toEqual(list.map(({ id }) => id))
      }),
    )
  })

  test('a weight of 0 silences a list, and mistakes are named', () => {
    expect(fuse([lexical, late], { weights: [0, 1] })[0]!.id).toBe('b')
    expect(fuse([])).toEqual([])
    expect(() => fuse([[lexical[0]!, lexical[0]!]])).toThrowError(code('DUPLICATE_ID'))
    expect(() => fuse([lexical], { weights: [1, 2] })).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => fuse([lexical], { weights: [-1] })).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => fuse([lexical], { weight: [1] } as never)).toThrowError(code('UNKNOWN_OPTION'))
  })
})

test('scores must be finite where they count', () => {
  for (const fuse of [relativeScoreFusion, standardScoreFusion]) {
    expect(() => fuse([[{ id: 'a', score: NaN }]])).toThrowError(code('NOT_FINITE'))
  }
  expect(() => reciprocalRankFusion([lexical], { k: -1 })).toThrowError(code('INVALID_ARGUMENT'))
})

test('standard score fusion: the lowest of a list of several, not nothing', () => {
  const lists = [
    [
      { id: 'a', score: 3 },
      { id: 'b', score: 1 },
    ],
    [
      { id: 'b', score: 9 },
      { id: 'c', score: 5 },
    ],
  ]
  const fused = standardScoreFusion(lists, { weights: [1, 3] })
  const scores = Object.fromEntries(fused.map(({ id, score }) => [id, score]))
  expect(scores.a).toBeCloseTo(1 - 3, 12)
  expect(scores.b).toBeCloseTo(-1 + 3, 12)
  expect(scores.c).toBeCloseTo(-1 - 3, 12)
})
