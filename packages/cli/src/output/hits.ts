import type { Colors, Terminal } from './terminal.js'
import { bestStretch, matchedWords } from '@serotine/core/highlight'
import { snippet } from './snippet.js'
import type { SnippetPart } from './snippet.js'
import type { TextMatch } from '@serotine/core'

/** What a result looks like on a terminal. */
export interface ShownHit {
  readonly rank: number
  /** Where an offset of the text stands: `path:line`, or an id. Asked for the first word shown that matched. */
  place(offset: number): string
  readonly heading?: string
  readonly text: string
  readonly score: number
  readonly meanSimilarity: number
  readonly query: string
  readonly matches: readonly TextMatch[]
}

const INDENT = '    '
const SNIPPET_LINES = 3

/**
 * A hit as a head line (rank, place, heading, score) and some lines of its text with the matched words standing out.
 *
 * @param common words that say little in this collection
 */
export function formatHit(
  hit: ShownHit,
  terminal: Pick<Terminal, 'colors' | 'width'>,
  common?: ReadonlySet<string>,
): string {
  const { colors } = terminal
  const width = Math.min(terminal.width, 110)
  const words = matchedWords(hit.text, hit.matches, hit.query, common)
  const stretch = bestStretch(hit.text, words, (width - INDENT.length) * SNIPPET_LINES - 8)
  const place = hit.place(
    words.find(({ start, end }) => start >= stretch.start && end <= stretch.end)?.start ?? stretch.start,
  )
  const score = `${hit.meanSimilarity.toFixed(3)}`
  const raw = `(${hit.score.toFixed(2)})`
  const rank = `${hit.rank}`.padStart(2)
  const room = width - rank.length - 2 - place.length - score.length - raw.length - 3
  const heading = hit.heading && room > 12 ? `  ${cut(hit.heading, room - 2)}` : ''
  const gap = ' '.repeat(Math.max(1, room - heading.length + 2))
  const head = `${colors.dim(rank)}  ${colors.bold(place)}${colors.dim(heading)}${gap}${score} ${colors.dim(raw)}`
  return `${head}\n${wrap(snippet(hit.text, words, stretch), width - INDENT.length, colors)
    .map((line) => INDENT + line)
    .join('\n')}\n`
}

/** Breaks marked text into lines of at most `width` columns, colouring after measuring. */
function wrap(parts: readonly SnippetPart[], width: number, colors: Colors): string[] {
  const lines: string[] = []
  let line = ''
  let used = 0
  for (const { text, matched } of parts) {
    for (const word of text.split(/(?<=\s)/)) {
      const columns = columnsOf(word.trimEnd())
      if (used > 0 && used + columns > width) {
        lines.push(line.trimEnd())
        ;[line, used] = ['', 0]
      }
      if (used === 0 && word.trim() === '') continue
      line += matched ? mark(word, colors) : word
      used += columnsOf(word)
    }
  }
  if (line.trim() !== '') lines.push(line.trimEnd())
  return lines
}

function mark(word: string, colors: Colors): string {
  return colors.bold(colors.yellow(word))
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u

/** Terminal columns of a text: two for East Asian characters and pictographs, none for combining marks. */
function columnsOf(text: string): number {
  let columns = 0
  for (const character of text) columns += /\p{M}|\u200d/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return columns
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(0, length - 1)).trimEnd()}…`
}
