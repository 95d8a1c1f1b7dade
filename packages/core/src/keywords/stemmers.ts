import { SerotineError } from '../errors.js'
import { describe, nearestName } from '../options.js'
import type { Stemmer } from './words.js'

/**
 * Porter's stemmer for English; for the others Snowball's as Orama packs them (its English one cuts “connection” to “connec”). Each is loaded when it is
 * first wanted.
 */
const STEMMERS = {
  arabic: () => import('@orama/stemmers/arabic'),
  armenian: () => import('@orama/stemmers/armenian'),
  bulgarian: () => import('@orama/stemmers/bulgarian'),
  danish: () => import('@orama/stemmers/danish'),
  dutch: () => import('@orama/stemmers/dutch'),
  english: () => import('stemmer'),
  finnish: () => import('@orama/stemmers/finnish'),
  french: () => import('@orama/stemmers/french'),
  german: () => import('@orama/stemmers/german'),
  greek: () => import('@orama/stemmers/greek'),
  hungarian: () => import('@orama/stemmers/hungarian'),
  indonesian: () => import('@orama/stemmers/indonesian'),
  italian: () => import('@orama/stemmers/italian'),
  norwegian: () => import('@orama/stemmers/norwegian'),
  portuguese: () => import('@orama/stemmers/portuguese'),
  romanian: () => import('@orama/stemmers/romanian'),
  russian: () => import('@orama/stemmers/russian'),
  spanish: () => import('@orama/stemmers/spanish'),
  swedish: () => import('@orama/stemmers/swedish'),
  turkish: () => import('@orama/stemmers/turkish'),
}

/** A language whose words are stemmed; `none`: words are compared as they are, whatever the language. */
export type KeywordLanguage = keyof typeof STEMMERS | 'none'

export const KEYWORD_LANGUAGES: readonly KeywordLanguage[] = [
  ...(Object.keys(STEMMERS) as (keyof typeof STEMMERS)[]),
  'none',
]

/** Stems kept, so that a word that comes again is not stemmed again; a language has about as many frequent words. */
const KEPT = 50_000
/** What is longer is no word of a language. */
const LONGEST = 40

export function isLanguage(language: unknown): language is KeywordLanguage {
  return KEYWORD_LANGUAGES.includes(language as KeywordLanguage)
}

/** @throws INVALID_ARGUMENT */
export function checkLanguage(language: unknown): KeywordLanguage {
  if (isLanguage(language)) return language
  const guess = typeof language === 'string' ? nearestName(language, KEYWORD_LANGUAGES) : undefined
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `The language of keywords must be one of ${KEYWORD_LANGUAGES.join(', ')}; got ${describe(language)}.` +
      (guess === undefined ? '' : ` Did you mean "${guess}"?`),
  )
}

export async function loadStemmer(language: KeywordLanguage): Promise<Stemmer> {
  if (language === 'none') return (word) => word
  const { stemmer } = await STEMMERS[language]()
  const known = new Map<string, string>()
  return (word) => {
    if (word.length > LONGEST) return word
    let stem = known.get(word)
    if (stem === undefined) {
      stem = stemmer(word)
      if (known.size >= KEPT) known.clear()
      known.set(word, stem)
    }
    return stem
  }
}
