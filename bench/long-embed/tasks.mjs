// LongEmbed's two synthetic tasks, made from their published recipes. Judge both by accuracy@1.
import { FAMILY_NAMES, GIVEN_NAMES, NEEDLES } from './facts.mjs'

/** The lengths of the published sets, in tokens as LongEmbed counts them: a token is three quarters of a word. */
export const LONG_EMBED_LENGTHS = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768]

const FILLER = 'The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.'

/**
 * Personalized passkey retrieval: documents of repeated filler, each naming one person's pass key somewhere; a query asks for
 * one person's. Recipe: Wang et al., "Improving Text Embeddings with Large Language Models" (2023), figure 4, with candidates
 * shared between queries as in Zhu et al., "LongEmbed" (2024), section 3. Names are our own.
 *
 * @param options `length` of a document in tokens; `queries` (50); `documents` (100), candidates that all queries share; `seed`
 *   (42): the same one gives the same texts everywhere
 */
export function generatePasskeys(options) {
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
  return collectionOf('passkey', needles, FILLER.split(' '), false, settings, random)
}

/**
 * Needle retrieval: documents of `haystack` text, each with one fact of its own put between two sentences; a query asks for one
 * of the facts. Recipe: Zhu et al., "LongEmbed" (2024), section 3, after Kamradt's needle in a haystack. The published haystack
 * (Paul Graham's essays) and facts are not here: bring any long prose; facts are our own unless given.
 *
 * @param options as of `generatePasskeys`, and `haystack`: prose, begun at a random place for each document and repeated where it
 *   is too short; `needles`: facts and their questions, at least as many as documents
 */
export function generateNeedles({ haystack, needles = NEEDLES, ...options }) {
  const words = haystack.split(/\s+/).filter((word) => word !== '')
  if (words.length < 100) throw new RangeError(`haystack must be prose of at least 100 words, got ${words.length}.`)
  const settings = resolve(options, needles.length, 'needles')
  const random = generator(settings.seed, 2)
  return collectionOf('needle', shuffled(needles, random).slice(0, settings.documents), words, true, settings, random)
}

function resolve({ length, queries = 50, documents = 100, seed = 42 }, available, what) {
  if (!Number.isInteger(length) || length < 64)
    throw new RangeError(`length must be an integer of at least 64, got ${length}.`)
  if (documents > available)
    throw new RangeError(`There are ${available} ${what} for ${documents} documents; ask for fewer documents.`)
  if (queries > documents) {
    throw new RangeError(
      `Each query asks for a different document: ${queries} queries need as many documents, got ${documents}.`,
    )
  }
  return { length, queries, documents, seed }
}

/** A collection as `readCollection` gives it. */
function collectionOf(name, needles, filler, isProse, { length, queries }, random) {
  const idOf = (kind, i) => `ctx${length}_${kind}${i}`
  const documents = needles.map(({ fact }, i) => {
    const wordCount = Math.max(0, Math.floor(length * 0.75) - fact.split(' ').length)
    const start = isProse ? random(filler.length) : 0
    const words = Array.from({ length: wordCount }, (_, word) => filler[(start + word) % filler.length])
    // Passkeys stand anywhere; facts between sentences.
    const place = isProse ? afterSentence(words, random(wordCount + 1)) : random(wordCount + 1)
    const parts = [words.slice(0, place).join(' '), fact, words.slice(place).join(' ')].filter((part) => part !== '')
    return { id: idOf('doc', i), text: parts.join(isProse ? ' ' : '\n'), metadata: {} }
  })
  const asked = needles.slice(0, queries)
  return {
    name,
    layout: 'long-embed',
    split: `test_${length}`,
    documents,
    queries: asked.map(({ question }, i) => ({ id: idOf('query', i), text: question })),
    qrels: new Map(asked.map((_, i) => [idOf('query', i), new Map([[idOf('doc', i), 1]])])),
  }
}

/** The place nearest after `place` that follows the end of a sentence, else the nearest before it; 0 is one. */
function afterSentence(words, place) {
  const ends = (i) => i === 0 || /[.!?]["”’)]?$/.test(words[i - 1])
  for (let i = place; i <= words.length; i++) if (ends(i)) return i
  let i = place
  while (!ends(i)) i--
  return i
}

/**
 * Integers below n, one after the other. The library's generator, but its own copy: another one would make other texts, and
 * published numbers incomparable.
 */
function generator(seed, task) {
  const key = fmix32(fmix32(seed) + Math.imul(task, 0x85ebca77))
  let i = 0
  return (n) => Math.floor((fmix32(fmix32(Math.imul(++i, 0x9e3779b9) + key) ^ 0xa5a5a5a5) * n) / 2 ** 32)
}

/** The finalizer of MurmurHash3. */
function fmix32(value) {
  let h = value >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Fisher and Yates. */
function shuffled(items, random) {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random(i + 1)
    ;[result[i], result[j]] = [result[j], result[i]]
  }
  return result
}
