import type { Block } from './blocks.js'

/** A stretch of a text short enough for the model: `text.slice(charStart, charEnd)`, exactly. */
export interface Passage {
  readonly text: string
  /** UTF-16 offsets into the whole text; `charEnd` is exclusive. */
  readonly charStart: number
  readonly charEnd: number
  /** 1-based, both inclusive. */
  readonly lineStart: number
  readonly lineEnd: number
  /** Headings above the passage, outermost first, joined by " › ". Markdown and HTML only. */
  readonly heading?: string
  /** PDF only, from 1. */
  readonly page?: number
}

/** How long passages are. */
export interface PassageLimits {
  /** Longest passage, in the unit of `countTokens`. Default 180. */
  maxTokens?: number
  /** How much of the end of a passage the next one repeats, in the same unit, in whole sentences. Default 0. */
  overlap?: number
  /** Tokens of a piece of text. Default: an estimate; pass the model's own count for passages that use its length well. */
  countTokens?: (text: string) => number
}

/** Names of everything in `PassageLimits`. */
export const PASSAGE_LIMITS = [
  'maxTokens',
  'overlap',
  'countTokens',
] as const satisfies readonly (keyof PassageLimits)[]

interface Unit {
  readonly start: number
  readonly end: number
  readonly tokens: number
  readonly heading?: string
  readonly isHeading?: boolean
  readonly page?: number
}

/** No real text has words this long on average; keeps passages of base64 or one endless word readable. */
const MAX_CHARACTERS_PER_TOKEN = 12
/** A section shorter than this share of a passage may be joined by the next one. */
const SMALL_SECTION = 1 / 4

/**
 * Splits a text into passages: whole blocks while they fit, sentences of longer ones, words of longer sentences.
 * A heading begins a new passage unless the one before would be very short, a page always does.
 */
export function splitBlocks(text: string, blocks: Iterable<Block>, options: PassageLimits = {}): Passage[] {
  const maxTokens = Math.max(1, options.maxTokens ?? 180)
  const overlap = Math.min(Math.max(0, options.overlap ?? 0), Math.floor(maxTokens / 2))
  const count = options.countTokens ?? estimateTokens
  const measure = (start: number, end: number): Unit => ({
    start,
    end,
    tokens: Math.max(1, count(text.slice(start, end)), Math.ceil((end - start) / MAX_CHARACTERS_PER_TOKEN)),
  })
  const lines = lineCounter(text)
  const passages: Passage[] = []

  let units: Unit[] = []
  // Leading units that the passage before ends with; alone they are not worth a passage.
  let repeated = 0
  const size = (): number => units.reduce((sum, unit) => sum + unit.tokens, 0)
  const flush = (): void => {
    if (units.length > repeated) {
      const charStart = units[0]!.start
      const charEnd = units.at(-1)!.end
      const { heading, page } = units[repeated]!
      passages.push({
        text: text.slice(charStart, charEnd),
        charStart,
        charEnd,
        lineStart: lines(charStart),
        lineEnd: lines(charEnd - 1),
        ...(heading && { heading }),
        ...(page !== undefined && { page }),
      })
    }
    const tail = units.length
    let begin = tail
    for (let tokens = 0; begin > 1 && (tokens += units[begin - 1]!.tokens) <= overlap; begin--);
    units = units.slice(begin)
    repeated = units.length
  }
  const breakBefore = (): void => {
    // A heading belongs to what follows it.
    let keep = units.length
    while (keep > repeated && units[keep - 1]!.isHeading) keep--
    if (keep <= repeated) return
    const headings = units.splice(keep)
    flush()
    units.push(...headings)
  }
  const add = (unit: Unit): void => {
    if (size() + unit.tokens > maxTokens) breakBefore()
    // Repeated sentences must not push a new one over the limit.
    while (repeated > 0 && size() + unit.tokens > maxTokens) {
      units.shift()
      repeated--
    }
    if (size() + unit.tokens > maxTokens && units.length > 0) flush()
    units.push(unit)
  }

  let afterHeading = false
  let page: number | undefined
  for (const block of blocks) {
    const turnsPage = block.page !== page
    page = block.page
    if (turnsPage || (block.isHeading && !afterHeading && size() >= maxTokens * SMALL_SECTION)) {
      flush()
      ;[units, repeated] = [[], 0]
    }
    afterHeading = block.isHeading
    const from = {
      ...(block.heading && { heading: block.heading }),
      isHeading: block.isHeading,
      ...(page !== undefined && { page }),
    }
    const whole = measure(block.start, block.end)
    if (whole.tokens <= maxTokens && overlap === 0) {
      add({ ...whole, ...from })
      continue
    }
    // Parts of about equal length read better than full ones and a stump.
    const share = whole.tokens / Math.ceil(whole.tokens / maxTokens)
    for (const [start, end] of splitSentences(text, block)) {
      for (const piece of splitWords(text, measure(start, end), maxTokens, measure)) {
        if (whole.tokens > maxTokens && size() >= share) breakBefore()
        add({ ...piece, ...from })
      }
    }
  }
  flush()
  return passages
}

/**
 * About how many tokens a WordPiece or BPE vocabulary makes of a text: one for every six letters of a word begun, one for
 * every other character that is not blank (so that Chinese and Japanese are not taken for single words).
 */
export function estimateTokens(text: string): number {
  let tokens = 0
  const piece = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}]+|\S/gu
  for (const [word] of text.matchAll(piece)) tokens += Math.ceil(word.length / 6)
  return tokens
}

/** Ranges of sentences: after . ! ? … (and their CJK forms) before a blank, and at line ends that look like list items. */
function splitSentences(text: string, block: Block): [number, number][] {
  const ranges: [number, number][] = []
  const body = text.slice(block.start, block.end)
  let begin = 0
  const boundary = /[.!?…]["'”’)\]]*\s+|[。！？]["”’」』）]*\s*|\r?\n(?=[ \t]*(?:[-*+•]|\d+[.)]|\|)[ \t])/gu
  for (const match of body.matchAll(boundary)) {
    const next = match.index + match[0].length
    const end = begin + body.slice(begin, next).trimEnd().length
    if (end > begin) ranges.push([block.start + begin, block.start + end])
    begin = next
  }
  if (begin < body.length) ranges.push([block.start + begin, block.end])
  return ranges
}

/** A sentence that is too long becomes runs of words; a word that is too long becomes runs of characters. */
function splitWords(
  text: string,
  sentence: Unit,
  maxTokens: number,
  measure: (start: number, end: number) => Unit,
): Unit[] {
  const length = sentence.end - sentence.start
  if (sentence.tokens <= maxTokens || length < 2) return [sentence]
  const parts = Math.min(length, Math.ceil((sentence.tokens * 1.1) / maxTokens))
  const pieces: Unit[] = []
  let start = sentence.start
  for (let part = 1; part < parts; part++) {
    const target = sentence.start + Math.floor((length * part) / parts)
    if (target <= start) continue
    const cut = breakNear(text, target, Math.floor(length / parts / 2), start, sentence.end)
    if (cut.end > start) pieces.push(measure(start, cut.end))
    start = cut.next
  }
  if (start < sentence.end) pieces.push(measure(start, sentence.end))
  return pieces.flatMap((piece) =>
    piece.end - piece.start < length ? splitWords(text, piece, maxTokens, measure) : [piece],
  )
}

/** A place near an offset to cut at: a blank within reach, else between two characters. Blanks at the cut belong to neither side. */
function breakNear(
  text: string,
  target: number,
  reach: number,
  min: number,
  max: number,
): { end: number; next: number } {
  const isBlank = (i: number): boolean => /\s/.test(text[i]!)
  let at = target
  for (let step = 0; step <= reach; step++) {
    const near = [target - step, target + step].find((i) => i > min && i < max && isBlank(i))
    if (near === undefined) continue
    at = near
    break
  }
  const unit = text.charCodeAt(at)
  // Never between the halves of a surrogate pair.
  if (unit >= 0xdc00 && unit <= 0xdfff) at++
  let [end, next] = [at, at]
  while (end > min && isBlank(end - 1)) end--
  while (next < max && isBlank(next)) next++
  return { end, next }
}

/** Line number of an offset, 1-based; offsets may come in any order. */
export function lineCounter(text: string): (offset: number) => number {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return low + 1
  }
}
