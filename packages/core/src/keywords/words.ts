/** A word's stem, in small letters: what its forms have in common. */
export type Stemmer = (word: string) => string

/** A word of a text, and where it stands. */
export interface Word {
  /** What it is looked up by: small letters without accents, stemmed where it is a word of the language. */
  readonly term: string
  /** A part of an identifier, or the identifier as a whole, once more: says nothing about the length of the text. */
  readonly isExtra: boolean
}

/**
 * Letters and digits, joined by single signs where these stand between two of them without a space, as in `fs.readFileSync`, `ERR_2041`,
 * `v0.17-m`, `3.14`, `1,000`; and `c++`, `f#`.
 */
const WORDS =
  /[\p{L}\p{M}\p{N}]+(?:(?:[._\-:/@]|,(?=\p{N}))[\p{L}\p{M}\p{N}]+|__+[\p{L}\p{M}\p{N}]+)*(?:[+#]{1,2}(?![\p{L}\p{N}]))?/gu
const ASCII = /^[\t\n\r -~]*$/
const PARTS = /[\p{L}\p{M}\p{N}]+/gu
/** Where a word begins inside of one written in camel case: `readFileSync`, `HTTPServer`. */
const HUMPS = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u
/** Scripts that write no spaces between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー々]+/gu
/** Whether a character is of a script without spaces between words, so that where a word ends cannot be seen. */
export function isUnspaced(character: string): boolean {
  return character.match(UNSPACED) !== null
}
const HAN = /\p{Script=Han}/u
const ACCENTS = /[\u0300-\u036f]+/g

/** Small letters without accents; full-width and other variants as the plain ones. Marks that are letters of their own (Thai, Hindi, kana) stay. */
export function folded(text: string): string {
  const small = text.toLowerCase()
  if (ASCII.test(small)) return small
  return small.normalize('NFKD').replace(ACCENTS, '').replaceAll('ß', 'ss').replaceAll('ı', 'i').normalize('NFC')
}

/**
 * The words of a text in their order. What is written together out of several parts is there as it is written and in its parts. Scripts
 * without spaces are cut into pairs of neighbouring characters (and Han characters one by one): `Intl.Segmenter` would find words, but other ones
 * with every version of its dictionary, and what one process wrote another has to find.
 */
export function* wordsOf(text: string, stem: Stemmer): Generator<Word> {
  for (const written of writtenIn(text)) yield* wordsIn(written, stem)
}

/** What is written together: words, and what is joined by signs. */
export function writtenIn(text: string): readonly string[] {
  return text.match(WORDS) ?? []
}

/** The words of something that is written together. */
export function wordsIn(written: string, stem: Stemmer): readonly Word[] {
  // The most common case first: one word of a language with spaces.
  if (isPlain(written)) return [{ term: termOf(written, stem), isExtra: false }]
  return [...partsOf(written, stem)]
}

/** Letters of an alphabet in one case, but for the first. */
function isPlain(written: string): boolean {
  return /^[A-Za-z]?[a-z]+$/.test(written)
}

function* partsOf(written: string, stem: Stemmer): Generator<Word> {
  const parts: string[] = []
  const unspaced: string[] = []
  for (const [part] of written.normalize('NFKC').matchAll(PARTS)) {
    const runs = part.match(UNSPACED)
    if (!runs) {
      parts.push(part)
      continue
    }
    unspaced.push(...runs)
    parts.push(...part.split(UNSPACED).filter((rest) => rest !== ''))
  }
  for (const part of parts) yield { term: termOf(part, stem), isExtra: false }
  for (const run of unspaced) yield* pairsOf(run)
  if (unspaced.length > 0) return
  for (const part of parts) {
    const humps = part.split(HUMPS)
    if (humps.length > 1) for (const hump of humps) yield { term: termOf(hump, stem), isExtra: true }
  }
  if (parts.length > 1 || /[+#]$/.test(written)) yield { term: folded(written), isExtra: true }
}

function* pairsOf(run: string): Generator<Word> {
  const characters = [...folded(run)]
  for (const [i, character] of characters.entries()) {
    if (i > 0) yield { term: characters[i - 1]! + character, isExtra: false }
    if (HAN.test(character) || characters.length === 1)
      yield { term: character, isExtra: i > 0 || characters.length > 1 }
  }
}

function termOf(part: string, stem: Stemmer): string {
  // Numbers and what has some in it are no words of a language.
  return /\p{N}/u.test(part) ? folded(part) : folded(stem(part.toLowerCase()))
}
