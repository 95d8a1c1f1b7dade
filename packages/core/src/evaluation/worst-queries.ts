import { SerotineError } from '../errors.js'
import { checkInteger, checkOptions, describe } from '../options.js'
import type { TestCollection } from './collections/test-collection.js'
import type { RetrievalEvaluation } from './evaluate.js'
import { rankedIds } from './run.js'

/** A query, how well each method answered it, and what one of them returned. */
export interface QueryReport {
  readonly id: string
  readonly text: string
  /** The metric by method name. */
  readonly values: Readonly<Record<string, number>>
  /** Rank of the best relevant document by the method looked at, from 1; absent when it returned none. */
  readonly firstRelevantRank?: number
  /** Relevant documents of the query. */
  readonly relevant: number
  /** What the method looked at returned first. */
  readonly top: readonly { readonly id: string; readonly title: string; readonly grade: number }[]
}

/**
 * The queries that one method answers worst: lowest metric first, ties by the rank of the first relevant document, then in
 * the order of the collection.
 *
 * @param options `method`: name of the method looked at (default the first); `metric`: one that was evaluated (default its first);
 *   `limit`: queries (default 20); `top`: documents shown of each (default 3)
 * @throws INVALID_ARGUMENT for a method or metric that was not evaluated
 */
export function worstQueries(
  collection: Pick<TestCollection, 'queries' | 'qrels' | 'documents'>,
  evaluation: RetrievalEvaluation,
  options: { method?: string; metric?: string; limit?: number; top?: number } = {},
): QueryReport[] {
  checkOptions('worstQueries', options, ['method', 'metric', 'limit', 'top'], { stage: 'method' })
  const limit = checkInteger('limit', options.limit ?? 20, 0)
  const shown = checkInteger('top', options.top ?? 3, 0)
  const method =
    options.method === undefined
      ? evaluation.methods[0]
      : evaluation.methods.find(({ name }) => name === options.method)
  if (method === undefined) {
    const names = evaluation.methods.map(({ name }) => name).join(', ')
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `There is no method named ${describe(options.method)}. Methods: ${names || 'none'}.`,
    )
  }
  const metric = options.metric ?? Object.keys(method.metrics)[0] ?? ''
  if (!(metric in method.metrics)) {
    const names = Object.keys(method.metrics).join(', ')
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The metric ${describe(metric)} was not evaluated. Evaluated: ${names}.`,
    )
  }
  const ranked = collection.queries
    .filter(({ id }) => method.perQuery.has(id))
    .map((query) => {
      const grades = collection.qrels.get(query.id)
      const ids = rankedIds(query.id, method.run.get(query.id) ?? [], 'trec_eval')
      const rank = ids.findIndex((id) => (grades?.get(id) ?? 0) > 0)
      return {
        query,
        ids,
        grades,
        rank: rank < 0 ? Infinity : rank + 1,
        value: method.perQuery.get(query.id)![metric]!,
      }
    })
    .toSorted((a, b) => a.value - b.value || (a.rank === b.rank ? 0 : b.rank - a.rank))
    .slice(0, limit)
  const wanted = new Set(ranked.flatMap(({ ids }) => ids.slice(0, shown)))
  const titles = new Map<string, string>()
  for (const { id, text, metadata } of collection.documents)
    if (wanted.has(id)) titles.set(id, beginning(metadata.title ?? text))
  return ranked.map(({ query, ids, grades, rank }) => ({
    id: query.id,
    text: query.text,
    values: Object.fromEntries(
      evaluation.methods.map(({ name, perQuery }) => [name, round(perQuery.get(query.id)?.[metric] ?? 0)]),
    ),
    ...(Number.isFinite(rank) && { firstRelevantRank: rank }),
    relevant: [...(grades?.values() ?? [])].filter((grade) => grade > 0).length,
    top: ids.slice(0, shown).map((id) => ({ id, title: titles.get(id) ?? '', grade: grades?.get(id) ?? 0 })),
  }))
}

/** One line's worth, cut between words. */
function beginning(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= 100 ? line : `${line.slice(0, 100).replace(/\s\S*$/, '')} …`
}

function round(value: number): number {
  return Number(value.toFixed(4))
}
