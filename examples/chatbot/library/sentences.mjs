// Whole sentences of a passage: no headings, no tables, no code, nothing that was cut in half.
import MarkdownIt from 'markdown-it'

/**
 * @typedef {object} Sentence
 * @property {string} text as it stands in the passage, its white space made single blanks
 * @property {number} paragraph which one of the passage
 * @property {string} [code] the whole block of code that the sentence introduces
 */

const markdown = new MarkdownIt({ html: true, linkify: false })
// In a file that is no Markdown, an indented paragraph is a paragraph.
const plain = new MarkdownIt({ html: false }).disable(['code', 'heading', 'lheading'])
/** Longer ones are programs, not answers. */
const LONGEST_CODE = 12
const FEWEST_WORDS = 4
const LONGEST = 500

const segmenter = new Intl.Segmenter(undefined, { granularity: 'sentence' })

/**
 * @param {string} passage
 * @param {{ isMarkdown: boolean }} kind
 * @returns {Sentence[]}
 */
export function sentencesOf(passage, { isMarkdown }) {
  const tokens = (isMarkdown ? markdown : plain).parse(passage, {})
  /** @type {Sentence[]} */
  const sentences = []
  let paragraph = 0
  tokens.forEach((token, i) => {
    if (token.type !== 'inline' || tokens[i - 1]?.type !== 'paragraph_open') return
    const next = tokens[i + 2]
    const code = next?.type === 'fence' && isWhole(next, passage) ? next.content.trimEnd() : undefined
    for (const text of splitSentences(token.content)) {
      if (isProse(text)) sentences.push({ text, paragraph })
      else if (text.endsWith(':') && code && isProse(`${text.slice(0, -1)}.`)) sentences.push({ text, paragraph, code })
    }
    paragraph++
  })
  return sentences
}

/** @param {string} paragraph */
function splitSentences(paragraph) {
  // The segmenter takes a line end for the end of a sentence, but texts are wrapped.
  const line = paragraph.replace(/\s+/g, ' ').trim()
  /** @type {string[]} */
  const sentences = []
  for (const { segment } of segmenter.segment(line)) {
    const before = sentences.at(-1)
    if (before !== undefined && !isEnd(before)) sentences[sentences.length - 1] = `${before} ${segment.trim()}`
    else sentences.push(segment.trim())
  }
  return sentences
}

/**
 * Abbreviations, and full stops inside of quotes, brackets and code, do not end a sentence.
 *
 * @param {string} text
 */
function isEnd(text) {
  const open = (text.match(/`/g) ?? []).length % 2 === 1 || (text.match(/\(/g) ?? []).length > (text.match(/\)/g) ?? []).length
  return !open && !/(?:^|\s|\()(?:[A-Z]|Dr|Mr|Mrs|Ms|St|No|Fig|vs|etc|cf|approx|e\.g|i\.e)\.$/.test(text)
}

/**
 * Says something by itself: begins as a sentence begins, ends as one ends, and is made of words.
 *
 * @param {string} text
 */
function isProse(text) {
  if (text.length > LONGEST || !/[.!?…。！？]["'”’»)\]*_]*$/u.test(text)) return false
  if (!/^["'“‘«([*_`]*[\p{Lu}\p{Lo}\p{N}`]/u.test(text)) return false
  const words = text.replace(/`[^`]*`|https?:\S+/g, 'x').match(/[\p{L}\p{N}]+/gu) ?? []
  const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u.test(text)
  if (words.length < FEWEST_WORDS && !unspaced) return false
  const withoutCode = text.replace(/`[^`]*`/g, '')
  // Signs of code, of tables, and of a list whose items ran together.
  return !/[{}|;=]|=>|\s[-*•]\s|<\/?\w/.test(withoutCode)
}

/**
 * @param {import('markdown-it').Token} fence
 * @param {string} passage
 */
function isWhole(fence, passage) {
  const lines = passage.split('\n')
  const [first, end] = fence.map ?? [0, 0]
  return end - first <= LONGEST_CODE + 2 && lines[end - 1]?.trim().startsWith(fence.markup) === true && end - 1 > first
}
