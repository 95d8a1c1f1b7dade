// What can be done to an index, at random.
import * as fc from '../../support/fast-check.js'
import { random } from '../../support/fake-encoder.js'
import type { PlainDocument } from './plain-index.js'

/** A document by numbers: the same ones give the same text. */
export interface Numbered {
  readonly kind: 'few' | 'many' | 'query'
  readonly topic: number
  readonly n: number
  /** Words. */
  readonly length: number
  /** Another one, another text. */
  readonly revision?: number
  readonly year?: number
}

export type Change =
  | { readonly do: 'upsert' | 'grow'; readonly documents: readonly Numbered[]; readonly batchSize: number }
  | { readonly do: 'delete'; readonly ids: readonly string[] }
  | { readonly do: 'deleteWhere'; readonly topic: number }
  | { readonly do: 'compact' | 'prepare' }

export type Step =
  | Change
  | { readonly do: 'refresh' | 'verify' }
  | { readonly do: 'reopen'; readonly prepare: boolean }
  | {
      readonly do: 'search'
      readonly on: 'writer' | 'reader'
      readonly query: Omit<Numbered, 'kind'>
      readonly k: number
      /** As many candidates as there are documents. */
      readonly isExhaustive: boolean
      readonly hybrid: boolean
      /** This one or a later one. */
      readonly year: number | undefined
    }
  /** The disk fails `times` times, after so many calls that succeed. */
  | {
      readonly do: 'faulty'
      readonly change: Change
      readonly after: number
      readonly times: number
      readonly code: 'EIO' | 'ENOSPC' | 'EMFILE'
    }
  | { readonly do: 'crash'; readonly change: Change; readonly turns: number }
  | { readonly do: 'damage'; readonly nth: number }
  | { readonly do: 'together'; readonly change: Change; readonly query: string }

const TOPICS = 5
/** Words of a topic; those of others have other directions. */
const VOCABULARY = 160
/** Words of all topics. */
export const WORDS = ['kiwi', 'owl', 'egg', 'nest', 'wing', 'river']

export function documentOf({ kind, topic, n, length, revision = 0, year = 2000 }: Numbered): PlainDocument {
  const next = random(topic * 7919 + n * 31 + revision * 104729 + length)
  const words = Array.from({ length }, () => {
    if (next() < 0.1) return WORDS[Math.floor(next() * WORDS.length)]!
    return `t${topic}w${Math.floor(next() ** 2 * VOCABULARY)}`
  })
  const id = kind === 'few' ? `d${n}` : `g${topic}-${n}`
  return { id, text: words.join(' '), metadata: { topic, year } }
}

/** A word that documents of all topics may have. */
export function quotable({ n }: { readonly n: number }): string {
  return WORDS[n % WORDS.length]!
}

const topic = fc.nat(TOPICS - 1)
const year = fc.integer({ min: 2000, max: 2003 })
const few = fc.record({
  kind: fc.constant('few' as const),
  topic,
  n: fc.nat(50),
  length: fc.nat(12),
  revision: fc.nat(3),
  year,
})
const id = fc.oneof(
  fc.nat(60).map((n) => `d${n}`),
  fc.tuple(topic, fc.nat(300)).map(([of, n]) => `g${of}-${n}`),
)

const upsert: fc.Arbitrary<Change> = fc.record({
  do: fc.constant('upsert' as const),
  documents: fc.uniqueArray(few, { selector: ({ n }) => n, minLength: 1, maxLength: 12 }),
  batchSize: fc.integer({ min: 1, max: 8 }),
})
/** Enough of a topic that first stages learn of it. */
const grow: fc.Arbitrary<Change> = fc
  .record({ topic, from: fc.nat(250), count: fc.integer({ min: 40, max: 200 }), revision: fc.nat(1), year })
  .map(({ topic: of, from, count, revision, year: when }) => ({
    do: 'grow' as const,
    documents: Array.from({ length: count }, (_, i) => {
      return { kind: 'many' as const, topic: of, n: from + i, length: 30, revision, year: when }
    }),
    batchSize: 64,
  }))
const remove: fc.Arbitrary<Change> = fc.record({
  do: fc.constant('delete' as const),
  ids: fc.uniqueArray(id, { minLength: 1, maxLength: 8 }),
})
const removeTopic: fc.Arbitrary<Change> = fc.record({ do: fc.constant('deleteWhere' as const), topic })
const upkeep: fc.Arbitrary<Change> = fc.constantFrom({ do: 'compact' as const }, { do: 'prepare' as const })
const change = fc.oneof(
  { weight: 8, arbitrary: upsert },
  { weight: 3, arbitrary: grow },
  { weight: 3, arbitrary: remove },
  { weight: 1, arbitrary: removeTopic },
  { weight: 3, arbitrary: upkeep },
)

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: change },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('search' as const),
      on: fc.constantFrom('writer' as const, 'reader' as const),
      query: fc.record({ topic, n: fc.nat(300), length: fc.integer({ min: 1, max: 8 }) }),
      k: fc.integer({ min: 1, max: 20 }),
      isExhaustive: fc.boolean(),
      hybrid: fc.boolean(),
      year: fc.option(year, { nil: undefined }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'refresh' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'verify' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reopen' as const), prepare: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('faulty' as const),
      change,
      after: fc.nat(80),
      times: fc.constantFrom(1, 1, 2, 3, 8),
      code: fc.constantFrom('EIO' as const, 'ENOSPC' as const, 'EMFILE' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('crash' as const), change, turns: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('damage' as const), nth: fc.nat(2000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('together' as const), change, query: fc.constantFrom(...WORDS) }),
  },
)
