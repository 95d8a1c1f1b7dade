import { constantAnswer, holdsAll, parseKeywordQuery, wordsOf } from '@serotine/core/store'
import type { KeywordMatch, KeywordQuery, Phrase, Stemmer } from '@serotine/core/store'
import type { Row } from '../database/connection.js'
import { fromDatabase } from '../escaping.js'
import { lexemeOf, OCCURRENCES, quotedLexeme } from './terms.js'
import { checkVisible } from '../schema/visible.js'
import { filterSql } from './filter-sql.js'
import { Parameters } from './parameters.js'
import { keysOf, keysSql } from './snapshot.js'
import type { Snapshot } from './snapshot.js'

/** BM25's k1 and b, as everywhere in Serotine. */
const [K1, B] = [0.9, 0.4]
/** A word that a quarter of so many documents hold says next to nothing: alone it finds documents only where no other word does. */
const COMMON_FROM = 1000
const COMMON_SHARE = 0.25
/** Rarest words by which the database ranks; all of them count in the end. */
const RANKED_BY = 32

/** A word of the query, and what it is worth. */
interface Weighed {
  readonly term: string
  readonly lexeme: string
  /** How often the query has it, times its inverse document frequency. */
  readonly weight: number
  readonly isCommon: boolean
}

/** What a document is found or scored by. */
interface Looked {
  readonly words: readonly Weighed[]
  readonly phrases: readonly Phrase[]
  /** Words that every document has which holds the phrases. */
  readonly required: readonly string[]
  readonly mean: number
}

/** The best by BM25, then those of `also`. The database finds and ranks roughly, by the weights of words; the best of these are scored exactly. */
export async function findByWords(
  snapshot: Snapshot,
  { text, count, also = [], filter }: KeywordQuery,
  stem: Stemmer,
): Promise<KeywordMatch[]> {
  if (filter && constantAnswer(filter) === false) return []
  const looked = await lookUp(snapshot, text, stem)
  const best: KeywordMatch[] = []
  // What does not hold the phrases is passed over, so more may be needed.
  const most = 2 * count + 50
  let isEnd = count === 0
  for (let from = 0; !isEnd; from += most) {
    const rows = await roughlyBest(snapshot, looked, filter, from, most)
    best.push(...(await exactly(snapshot, looked, rows)))
    isEnd = rows.length < most || best.length >= count
  }
  best.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).splice(count)
  const known = new Set(best.map(({ id }) => id))
  const others = await byIds(
    snapshot,
    filter,
    also.filter((id) => !known.has(id)),
  )
  return [...best, ...(await exactly(snapshot, looked, others))]
}

async function lookUp({ session, collection, names }: Snapshot, text: string, stem: Stemmer): Promise<Looked> {
  const { words, phrases } = parseKeywordQuery(text, stem)
  const lexemes = words.map(({ term }) => lexemeOf(term))
  const { id, documents } = collection
  const rows = await session.query(
    `select term, documents from ${names.words(id)} where term in (select json_array_elements_text($1::text::json))`,
    [JSON.stringify(lexemes)],
  )
  if (rows.length === 0) await checkVisible({ session, names }, names.words(id))
  const holding = new Map(rows.map((row) => [row.term as string, Number(row.documents)]))
  const weighed = words.flatMap(({ term, count }, i): Weighed[] => {
    const found = holding.get(lexemes[i]!) ?? 0
    if (found <= 0) return []
    const weight = count * Math.log(1 + (documents - found + 0.5) / (found + 0.5))
    const isCommon = found >= COMMON_FROM && found >= documents * COMMON_SHARE
    return [{ term, lexeme: lexemes[i]!, weight, isCommon }]
  })
  const required = phrases.flatMap(({ written }) =>
    [...wordsOf(written, stem)].filter(({ isExtra }) => !isExtra).map(({ term }) => lexemeOf(term)),
  )
  return {
    words: weighed.sort((a, b) => b.weight - a.weight),
    phrases,
    required,
    mean: collection.words / documents || 1,
  }
}

/** @param from ranks before this one are left out */
async function roughlyBest(
  { session, collection, names }: Snapshot,
  { words, phrases, required, mean }: Looked,
  filter: KeywordQuery['filter'],
  from: number,
  most: number,
): Promise<readonly Row[]> {
  const telling = words.filter(({ isCommon }) => !isCommon)
  const finding = telling.length > 0 ? telling : words
  if (finding.length === 0) return []
  const parameters = new Parameters()
  const query = (lexeme: string, weight = ''): string => `${parameters.text(quotedLexeme(lexeme) + weight)}::tsquery`
  const any = `${parameters.text(finding.map(({ lexeme }) => quotedLexeme(lexeme)).join(' | '))}::tsquery`
  const parts = words.slice(0, RANKED_BY).map(({ lexeme, weight }) => {
    const frequencies = ['A', 'B', 'C'].map(
      (letter) => `when d.terms @@ ${query(lexeme, `:${letter}`)} then ${saturated(OCCURRENCES[letter]!)}`,
    )
    const held = `case ${frequencies.join(' ')} else ${saturated(OCCURRENCES.D!)} end`
    return `case when d.terms @@ ${query(lexeme)} then ${weight} * ${held} else 0 end`
  })
  const conditions = [
    'd.tokens > 0',
    `d.terms @@ ${any}`,
    ...required.map((lexeme) => `d.terms @@ ${query(lexeme)}`),
    ...(filter ? [filterSql(filter, parameters)] : []),
  ]
  return session.query(
    `select d.vectors, d.id, d.length${phrases.length > 0 ? ', d.text' : ''}, ${parts.join(' + ')} as score
      from ${names.documents(collection.id)} d
      cross join lateral (select ${K1} * (1 - ${B} + ${B} * d.length / (${mean})::float8) as norm) l
      where ${conditions.join(' and ')} order by score desc, d.seq
      limit ${parameters.integer(most)} offset ${parameters.integer(from)}`,
    parameters.values,
  )
}

function saturated(occurrences: number): string {
  return `${occurrences} / (${occurrences} + l.norm)`
}

async function byIds(
  { session, collection, names }: Snapshot,
  filter: KeywordQuery['filter'],
  ids: readonly string[],
): Promise<readonly Row[]> {
  if (ids.length === 0) return []
  const parameters = new Parameters(keysOf(ids))
  const passes = filter ? ` and ${filterSql(filter, parameters)}` : ''
  return session.query(
    `select d.vectors, d.id, d.length, d.text from ${keysSql('$1')} k join ${names.documents(collection.id)} d on d.key = k.key
      where d.tokens > 0${passes}`,
    parameters.values,
  )
}

/** Scores of documents, by how often each word really occurs; those without what is quoted are left out. */
async function exactly(
  { session, collection, names }: Snapshot,
  { words, phrases, mean }: Looked,
  rows: readonly Row[],
): Promise<KeywordMatch[]> {
  const held =
    phrases.length === 0
      ? rows
      : rows.filter(({ text }) => holdsAll(fromDatabase((text as string | null) ?? ''), phrases))
  if (held.length === 0) return []
  const found = await session.query(
    `select d.vectors, u.lexeme, cardinality(u.positions) as number from ${names.documents(collection.id)} d
      cross join lateral unnest(d.terms) u
      where d.vectors in (select json_array_elements_text($1::text::json)::bigint)
      and u.lexeme in (select json_array_elements_text($2::text::json))`,
    [JSON.stringify(held.map(({ vectors }) => Number(vectors))), JSON.stringify(words.map(({ lexeme }) => lexeme))],
  )
  const occurrences = new Map<number, Map<string, number>>()
  for (const { vectors, lexeme, number } of found) {
    const ofDocument = occurrences.get(Number(vectors)) ?? new Map<string, number>()
    occurrences.set(Number(vectors), ofDocument.set(lexeme as string, Number(number)))
  }
  return held.map((row) => {
    const ofDocument = occurrences.get(Number(row.vectors))
    const norm = K1 * (1 - B + (B * Number(row.length)) / mean)
    const parts = words.flatMap(({ term, lexeme, weight }) => {
      const number = ofDocument?.get(lexeme) ?? 0
      return number === 0 ? [] : [{ term, part: (weight * number) / (number + norm) }]
    })
    parts.sort((a, b) => b.part - a.part)
    const score = parts.reduce((sum, { part }) => sum + part, 0)
    return { id: fromDatabase(row.id as string), score, words: parts.map(({ term }) => term) }
  })
}
