import type { EncodeOptions } from '../../encoder.js'
import { SerotineError } from '../../errors.js'
import { checkInteger, checkOptions, describe } from '../../options.js'
import { checkFirstStage } from '../../store/first-stage.js'
import { parseWhere } from '../../store/filter.js'
import type { Filter, Where } from '../../store/filter.js'
import type { FirstStage, Store } from '../../store/store.js'

/** What to look for and how. */
export interface SearchOptions {
  /** How many hits. If there are fewer documents, all are returned. Default 10. */
  k?: number
  /**
   * How many of the best to leave out, for the next page: hits begin with rank `offset + 1`. While the index does not change, pages of the same `k` are
   * pieces of one ranking where every document is scored exactly, else as deep as there are `candidates`. Default 0.
   */
  offset?: number
  /**
   * How many documents the first stage hands to exact MaxSim; never fewer than `offset + k`. Default: as many as the index measured that it needs,
   * 30 to 1,000 (`stats().firstStages`), and one more for each `k` beyond 10; 100 before it has measured.
   */
  candidates?: number
  /** Which documents to consider. */
  where?: Where
  /** How candidates are found in this search. Default: as the index was opened with, `auto` if nothing was said. */
  firstStage?: FirstStage
  /**
   * Default true. False returns what the first stage alone finds, with its estimate of MaxSim as score: for measurements.
   */
  rerank?: boolean
  /**
   * Words count, too: candidates are also found by BM25, and what it says of a document is added to its MaxSim. `weight` says how much: a document one
   * standard deviation better by BM25 gains `weight` standard deviations of MaxSim. True: .25. What the query has between double quotes has to occur in a hit
   * as it is written. For queries that are texts. Default false.
   */
  hybrid?: boolean | { weight?: number }
  /** Put in front of the query, as in `encodeQueries`: models that follow instructions want one. */
  prompt?: string
  /** Key of the model's `prompts`. */
  promptName?: string
  /** False leaves texts out of the hits. Default true. */
  text?: boolean
  signal?: AbortSignal
}

export interface CheckedSearch {
  readonly k: number
  readonly offset: number
  /** What hits are taken from: `offset + k`. */
  readonly depth: number
  readonly candidates: number | undefined
  readonly filter: Filter | undefined
  readonly firstStage: FirstStage | undefined
  readonly rerank: boolean
  /** Undefined: MaxSim alone. */
  readonly hybrid: { readonly weight: number } | undefined
  /** For a query that is a text. */
  readonly encoding: Pick<EncodeOptions, 'prompt' | 'promptName'>
  /** Hits have texts. */
  readonly text: boolean
  readonly signal: AbortSignal | undefined
  /** Told of documents that cannot be read: searches do without them, or without their texts. */
  readonly onDamaged?: OnDamaged
}

export type OnDamaged = (id: string, error: unknown) => void

/** See docs/hybrid.md: where it was measured. */
const HYBRID_WEIGHT = 0.25

const OPTIONS = [
  'k',
  'offset',
  'candidates',
  'where',
  'firstStage',
  'rerank',
  'hybrid',
  'prompt',
  'promptName',
  'text',
  'signal',
]

/** @throws UNKNOWN_OPTION, INVALID_ARGUMENT */
export function checkSearch(call: string, options: SearchOptions, store: Store): CheckedSearch {
  const { capabilities } = store
  checkOptions(call, options, OPTIONS, {
    topK: 'k',
    top_k: 'k',
    limit: 'k',
    topN: 'k',
    n: 'k',
    from: 'offset',
    skip: 'offset',
    start: 'offset',
    withText: 'text',
    includeText: 'text',
    filter: 'where',
    numCandidates: 'candidates',
    stage: 'firstStage',
    keywords: 'hybrid',
    bm25: 'hybrid',
    alpha: 'hybrid',
    abortSignal: 'signal',
  })
  const { where, firstStage, rerank = true, prompt, promptName, signal } = options
  const k = checkInteger('k', options.k ?? 10, 1)
  const offset = checkInteger('offset', options.offset ?? 0, 0)
  const depth = offset + k
  if (firstStage !== undefined) checkFirstStage(firstStage, capabilities.firstStages)
  checkBoolean('rerank', rerank)
  return {
    k,
    offset,
    depth,
    candidates:
      options.candidates === undefined ? undefined : Math.max(depth, checkInteger('candidates', options.candidates, 1)),
    filter: where === undefined ? undefined : checkFilter(parseWhere(where), capabilities),
    firstStage,
    rerank,
    hybrid: checkHybrid(call, options.hybrid, rerank, store),
    encoding: { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) },
    text: checkBoolean('text', options.text ?? true),
    signal,
  }
}

/** @throws INVALID_ARGUMENT */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be true or false, got ${describe(value)}.`)
}

function checkHybrid(
  call: string,
  hybrid: unknown,
  rerank: boolean,
  { name, capabilities }: Store,
): { weight: number } | undefined {
  if (hybrid === undefined || hybrid === false) return undefined
  if (hybrid !== true && (typeof hybrid !== 'object' || hybrid === null)) {
    throw new SerotineError('INVALID_ARGUMENT', `hybrid must be true, false or { weight }, got ${describe(hybrid)}.`)
  }
  if (hybrid !== true) checkOptions(`The hybrid of ${call}`, hybrid, ['weight'], { alpha: 'weight', factor: 'weight' })
  const { weight = HYBRID_WEIGHT } = hybrid === true ? {} : (hybrid as { weight?: unknown })
  if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The weight of hybrid must be a number of at least 0, got ${describe(weight)}.`,
    )
  }
  if (!rerank) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'hybrid adds to exact MaxSim, which rerank: false leaves out. Leave out one of them.',
    )
  }
  if (!capabilities.keywords) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The index ${name} keeps no words for a hybrid search. Open it once to write with { keywords: true } and run prepare(), or leave out hybrid.`,
    )
  }
  return { weight }
}

/** @throws INVALID_ARGUMENT when the store cannot filter so */
export function checkFilter(filter: Filter, capabilities: Store['capabilities']): Filter {
  const check = (part: Filter): void => {
    if (part.kind === 'and' || part.kind === 'or') part.parts.forEach(check)
    else if (part.kind === 'not') check(part.part)
    else if (part.kind === 'function' && !capabilities.filterFunctions) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        "This store filters where its documents are and cannot call a function. Write the filter as fields, like { lang: 'en' }.",
      )
    } else if (part.kind === 'field' && !capabilities.filterOperators.includes(part.operator)) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `This store cannot filter by ${part.operator} (${part.field}). It knows ${capabilities.filterOperators.join(', ')}.`,
      )
    }
  }
  check(filter)
  return filter
}
