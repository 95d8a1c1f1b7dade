// Whole sentences of a passage: no headings, no tables, no code, nothing that was cut in half.
import MarkdownIt from 'markdown-it'

/**
 * @typedef {import('markdown-it').Token} Token
 *
 * @typedef {object} Sentence
 * @property {string} text as a reader sees it: without marks of emphasis and links, code between backticks
 * @property {number} paragraph which one of the passage
 * @property {number} place in its paragraph, from 0
 * @property {string} [lead] words in bold print, or a question, that the paragraph begins with: what it is about
 * @property {string} [code] the whole block of code that the sentence introduces
 */

const markdown = new MarkdownIt({ html: true })
// In a file that is no Markdown, an indented paragraph is a paragraph, and a star is a star.
const plain = new MarkdownIt({ html: false }).disable(['code', 'heading', 'lheading', 'emphasis', 'backticks', 'link'])
/** Lines. Longer ones are programs, not answers. */
const LONGEST_CODE = 12
const FEWEST_WORDS = 4
/** Characters. */
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
    const { lead, rest } = shown(token)
    const about = lead === '' ? {} : { lead }
    split(rest).forEach((text, place) => {
      if (isProse(text)) sentences.push({ text, paragraph, place, ...about })
      else if (code !== undefined && text.endsWith(':') && isProse(`${text.slice(0, -1)}.`))
        sentences.push({ text, paragraph, place, code, ...about })
    })
    paragraph++
  })
  return sentences
}

/**
 * A paragraph as it is read, and what of it is code. Bold words at its beginning that end like a sentence are a heading.
 *
 * @param {Token} paragraph
 */
function shown(paragraph) {
  let [text, lead] = ['', '']
  let depth = 0
  for (const { type, content, markup } of paragraph.children ?? []) {
    if (type === 'text' || type === 'text_special') text += content
    else if (type === 'code_inline') text += `${markup}${content}${markup}`
    else if (type === 'softbreak' || type === 'hardbreak') text += ' '
    else if (type === 'strong_open') depth++
    else if (type === 'strong_close' && --depth === 0 && lead === '' && isLead(text)) [lead, text] = [text, '']
  }
  const rest = text.replace(/\s+/g, ' ').trim()
  // A question is no answer, but says what the sentences after it answer.
  const [question] = lead === '' ? (/^[^.!?]{8,120}\?(?= )/.exec(rest) ?? ['']) : ['']
  return { lead: (lead || question).trim(), rest: rest.slice(question.length).trim() }
}

/** @param {string} text */
function isLead(text) {
  return text.length <= 80 && /[.?!:]$/.test(text)
}

/** @param {string} paragraph */
function split(paragraph) {
  // What looks like the end of a sentence inside of code is none.
  const masked = paragraph.replace(/(`+)(.+?)\1/g, (code) => 'x'.repeat(code.length))
  /** @type {string[]} */
  const sentences = []
  let begin = 0
  for (const { segment, index } of segmenter.segment(masked)) {
    const end = index + segment.length
    const sentence = masked.slice(begin, end).trimEnd()
    if (end < masked.length && !isEnd(sentence)) continue
    sentences.push(paragraph.slice(begin, end).trim())
    begin = end
  }
  return sentences
}

/**
 * Neither abbreviations nor full stops between brackets end a sentence.
 *
 * @param {string} text
 */
function isEnd(text) {
  const isOpen = text.split('(').length > text.split(')').length
  return !isOpen && !/(?:^|[\s(])(?:[A-Z]|Dr|Mr|Mrs|Ms|St|No|Fig|vs|etc|cf|approx|e\.g|i\.e)\.$/.test(text)
}

/**
 * Says something by itself: begins as a sentence begins, ends as one ends, and is made of words.
 *
 * @param {string} text
 */
function isProse(text) {
  if (text.length > LONGEST || !/[.!…。！]["'”’»)\]]*$/u.test(text)) return false
  if (!/^["'“‘«(]?[\p{Lu}\p{Lo}\p{N}`]/u.test(text)) return false
  const withoutCode = text.replace(/(`+).+?\1/g, 'x')
  const words = withoutCode.replace(/https?:\S+/g, 'x').match(/[\p{L}\p{N}]+/gu) ?? []
  const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u.test(text)
  if (words.length < FEWEST_WORDS && !unspaced) return false
  // Signs of code, of tables, and of a list whose items ran together.
  return !/[{}|;=]|=>|\s[-*•]\s|<\/?\w/.test(withoutCode)
}

/**
 * Of a block of code that was not cut at the end of its passage.
 *
 * @param {Token} fence
 * @param {string} passage
 */
function isWhole(fence, passage) {
  const [first, end] = fence.map ?? [0, 0]
  const last = passage.split('\n')[end - 1]?.trim() ?? ''
  return end - first >= 3 && end - first <= LONGEST_CODE + 2 && last.startsWith(fence.markup)
}
