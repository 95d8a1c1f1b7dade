import { SerotineError } from '../errors.js'
import { checkInteger, checkOptions, checkString, describe } from '../options.js'
import { fmix32, scaleU32 } from '../math/random.js'
import type { BeirDataset } from './beir.js'
import { FAMILY_NAMES, GIVEN_NAMES, NEEDLES } from './long-embed-facts.js'
import type { Needle } from './long-embed-facts.js'

export type { Needle } from './long-embed-facts.js'

/** The lengths of the published sets, in tokens as LongEmbed counts them: a token is three quarters of a word. */
export const LONG_EMBED_LENGTHS: readonly number[] = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768]

export interface LongEmbedOptions {
  /** Tokens of a document, at three quarters of a word each. */
  readonly length: number
  /** Default 50. */
  readonly queries?: number
  /** Candidates that all queries share. Default 100. */
  readonly documents?: number
  /** Default 42. The same seed gives the same texts everywhere. */
  readonly seed?: number
}

const FILLER = 'The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.'

/**
 * Personalized passkey retrieval: documents of repeated filler, each naming one person's pass key somewhere; a query asks for
 * one person's. Judge it by `accuracy@1`. Recipe: Wang et al., "Improving Text Embeddings with Large Language Models" (2023),
 * figure 4, with candidates shared between queries as in Zhu et al., "LongEmbed" (2024), section 3. Names are our own.
 *
 * @throws INVALID_ARGUMENT; UNKNOWN_OPTION
 */
export function generatePasskeys(options: LongEmbedOptions): BeirDataset {
  checkOptions('generatePasskeys', options, ['length', 'queries', 'documents', 'seed'])
  const settings = resolve(options, GIVEN_NAMES.length * FAMILY_NAMES.length, 'names')
  const random = generator(settings.seed, 1)
  const people = shuffled(
    GIVEN_NAMES.flatMap((given) => FAMILY_NAMES.map((family) => `${given} ${family}`)),
    random,
  )
  const needles = people.slice(0, settings.documents).map((name) => {
    const key = 1 + random(50_000)
    return {
      question: `what is the passkey for ${name}?`,
      fact: `${name}'s pass key is ${key}. Remember it. ${key} is the pass key for ${name}.`,
    }
  })
  return datasetOf('passkey', needles, FILLER.split(' '), false, settings, random)
}

/**
 * Needle retrieval: documents of `haystack` text, each with one fact of its own put between two sentences; a query asks for one
 * of the facts. Judge it by `accuracy@1`. Recipe: Zhu et al., "LongEmbed" (2024), section 3, after Kamradt's needle in a haystack.
 * The published haystack (Paul Graham's essays) and facts are not part of this package: bring any long prose; facts are our own
 * unless given.
 *
 * @param options `haystack`: prose, begun at a random place for each document and repeated where it is too short; `needles`:
 *   facts and their questions, at least as many as documents
 * @throws INVALID_ARGUMENT; UNKNOWN_OPTION
 */
export function generateNeedles(
  options: LongEmbedOptions & { readonly haystack: string; readonly needles?: readonly Needle[] },
): BeirDataset {
  checkOptions('generateNeedles', options, ['length', 'queries', 'documents', 'seed', 'haystack', 'needles'])
  const { haystack, needles = NEEDLES } = options
  checkString('haystack', haystack)
  const words = haystack.split(/\s+/).filter((word) => word !== '')
  if (words.length < 100) {
    throw new SerotineError('INVALID_ARGUMENT', `haystack must be prose of at least 100 words, got ${words.length}.`)
  }
  const settings = resolve(options, needles.length, 'needles')
  const random = generator(settings.seed, 2)
  return datasetOf('needle', shuffled(needles, random).slice(0, settings.documents), words, true, settings, random)
}

interface Settings {
  readonly length: number
  readonly queries: number
  readonly documents: number
  readonly seed: number
}

function resolve(
  { length, queries = 50, documents = 100, seed = 42 }: LongEmbedOptions,
  available: number,
  what: string,
): Settings {
  checkInteger('length', length, 64)
  checkInteger('documents', documents, 1)
  checkInteger('queries', queries, 1)
  checkInteger('seed', seed, 0)
  if (documents > available) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `There are ${available} ${what} for ${documents} documents; ask for fewer documents.`,
    )
  }
  if (queries > documents) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `Each query asks for a different document: ${describe(queries)} queries need as many documents, got ${documents}.`,
    )
  }
  return { length, queries, documents, seed }
}

function datasetOf(
  name: string,
  needles: readonly Needle[],
  filler: readonly string[],
  isProse: boolean,
  { length, queries }: Settings,
  random: (n: number) => number,
): BeirDataset {
  const idOf = (kind: string, i: number): string => `ctx${length}_${kind}${i}`
  const documents = needles.map(({ fact }, i) => {
    const wordCount = Math.max(0, Math.floor(length * 0.75) - fact.split(' ').length)
    const start = isProse ? random(filler.length) : 0
    const words = Array.from({ length: wordCount }, (_, word) => filler[(start + word) % filler.length]!)
    // Passkeys stand anywhere; facts between sentences.
    const place = isProse ? afterSentence(words, random(wordCount + 1)) : random(wordCount + 1)
    const parts = [words.slice(0, place).join(' '), fact, words.slice(place).join(' ')].filter((part) => part !== '')
    return { id: idOf('doc', i), text: parts.join(isProse ? ' ' : '\n'), metadata: {} }
  })
  const asked = needles.slice(0, queries)
  return {
    name,
    split: `test_${length}`,
    documents,
    queries: asked.map(({ question }, i) => ({ id: idOf('query', i), text: question })),
    qrels: new Map(asked.map((_, i) => [idOf('query', i), new Map([[idOf('doc', i), 1]])])),
  }
}

/** The place nearest after `place` that follows the end of a sentence, else the nearest before it; 0 is one. */
function afterSentence(words: readonly string[], place: number): number {
  const ends = (i: number): boolean => i === 0 || /[.!?]["”’)]?$/.test(words[i - 1]!)
  for (let i = place; i <= words.length; i++) if (ends(i)) return i
  let i = place
  while (!ends(i)) i--
  return i
}

/** Integers below n, one after the other. */
function generator(seed: number, task: number): (n: number) => number {
  const key = fmix32(fmix32(seed) + Math.imul(task, 0x85ebca77))
  let i = 0
  return (n) => scaleU32(fmix32(fmix32(Math.imul(++i, 0x9e3779b9) + key) ^ 0xa5a5a5a5), n)
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: (n: number) => number): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random(i + 1)
    ;[result[i], result[j]] = [result[j]!, result[i]!]
  }
  return result
}
