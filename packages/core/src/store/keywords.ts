import { SerotineError } from '../errors.js'
import { checkLanguage } from '../keywords/stemmers.js'
import type { KeywordLanguage } from '../keywords/stemmers.js'
import { checkOptions, describe } from '../options.js'
import type { Filter } from './filter.js'

/** How words are analysed. */
export interface KeywordSettings {
  /** Words are found in all their forms of this language. Default `english`; `none`: only as they are written, but for accents and capital letters. */
  readonly language: KeywordLanguage
}

/** What documents are asked for by their words. */
export interface KeywordQuery {
  /** The query. What stands in it between double quotes has to occur in a document as it is written. */
  readonly text: string
  /** How many are wanted. */
  readonly count: number
  /** Documents to be scored as well, whether they are among the best or not. */
  readonly also?: readonly string[] | undefined
  readonly filter?: Filter | undefined
  readonly signal?: AbortSignal | undefined
}

/** A document, and what it has in common with a query. */
export interface KeywordMatch {
  readonly id: string
  /** BM25, higher is better; 0: no word. */
  readonly score: number
  /** Words of the query that it holds, as they were looked for: small letters, stemmed. What gave most comes first. */
  readonly words: readonly string[]
}

/** What is kept for finding documents by their words. */
export interface KeywordStats {
  readonly language: KeywordLanguage
  /** Documents whose words are kept; those of the others are read from their texts. */
  readonly documents: number
  /** Bytes on disk. */
  readonly bytes: number
  /** Bytes of the inverted index in memory; 0 until the first search by words. */
  readonly memory: number
  /** Different terms, about; null until the first search by words. */
  readonly terms: number | null
}

/** @throws UNKNOWN_OPTION, INVALID_ARGUMENT */
export function checkKeywords(
  keywords: boolean | Partial<KeywordSettings> | undefined,
): KeywordSettings | false | undefined {
  if (keywords === undefined || keywords === false) return keywords
  if (keywords === true) return { language: 'english' }
  if (typeof keywords !== 'object' || keywords === null) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `keywords must be true, false or { language }, got ${describe(keywords)}.`,
    )
  }
  checkOptions('The keywords of MultiVectorIndex.open()', keywords, ['language'], {
    lang: 'language',
    stemmer: 'language',
  })
  const { language = 'english' } = keywords
  return { language: checkLanguage(language) }
}
