// How the demo looks: headings, wrapped text with marked words, tables, one progress bar.
// Everything works without colours and in a pipe, where marked words get asterisks and the bar becomes a few lines.
import cliProgress from 'cli-progress'
import colors from 'picocolors'

const { bold, cyan, dim, green, underline, yellow } = colors
export const paint = { bold, cyan, dim, green, yellow }

const interactive = process.stdout.isTTY === true
export const width = Math.min(interactive ? process.stdout.columns || 80 : 88, 96)

// `npm run demo | head` ends the demo, not with a stack trace.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

export function print(text = '') {
  process.stdout.write(`${text}\n`)
}

export function heading(title, note = '') {
  print(`\n${bold(title)}${note ? dim(`  ${note}`) : ''}\n${dim('─'.repeat(width))}`)
}

/** A text of spans `{ start, end }` as words `{ word, marked }`: a word is marked when a span touches it. */
export function markWords(text, spans) {
  const marked = new Set()
  const words = [...text.matchAll(/\S+/gu)]
  for (const { start, end } of spans) {
    words.forEach((word, i) => {
      if (word.index < end && word.index + word[0].length > start) marked.add(i)
    })
  }
  return words.map(([word], i) => ({ word, marked: marked.has(i) }))
}

function paintWord({ word, marked }) {
  if (!marked) return word
  // Punctuation around a word stays plain.
  const [, before, core, after] = /^([^\p{L}\p{N}]*)(.*?)([^\p{L}\p{N}]*)$/su.exec(word)
  return before + (colors.isColorSupported ? underline(cyan(core)) : `*${core}*`) + after
}

/** Prints words as a paragraph of at most `lines` lines, indented; `first` columns of the first line are taken. */
export function paragraph(words, { indent = 0, first = 0, lines = Infinity, style = (text) => text } = {}) {
  const room = width - indent
  const rows = [[]]
  let used = first
  for (const word of words) {
    const length = word.word.length + (word.marked && !colors.isColorSupported ? 2 : 0)
    if (rows.at(-1).length > 0 && used + 1 + length > room) {
      if (rows.length === lines) {
        rows.at(-1).push({ word: '…', marked: false })
        break
      }
      rows.push([])
      used = 0
    }
    used += (used > 0 ? 1 : 0) + length
    rows.at(-1).push(word)
  }
  for (const row of rows) print(' '.repeat(indent) + style(row.map(paintWord).join(' ')))
}

/** Prints plain text as a paragraph, `mark` in front of it. */
export function say(text, { mark = '', ...layout } = {}) {
  if (mark) process.stdout.write(`${paint.green(mark)} `)
  paragraph(markWords(text, []), { ...layout, first: mark ? mark.length + 1 : 0 })
}

/**
 * A table with a rule under the head. Columns of which every cell starts like a number are set to the right.
 *
 * @param rows arrays of strings; `null` is a blank line
 */
export function table(head, rows) {
  const cells = rows.filter((row) => row !== null)
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column].length)))
  const right = head.map((_, column) => column > 0 && cells.every((row) => /^([\d.,–-]|$)/.test(row[column])))
  const line = (row) =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('   ')
      .trimEnd()
  print(`  ${dim(line(head))}`)
  print(`  ${dim('─'.repeat(widths.reduce((sum, w) => sum + w + 3, -3)))}`)
  for (const row of rows) print(row === null ? '' : `  ${line(row)}`)
}

/** A bar on a terminal; in a pipe a line at every quarter. */
export function progressBar(unit) {
  let quarter = 0
  if (!interactive) {
    return {
      update(done, total) {
        while (quarter < 4 && done >= ((quarter + 1) * total) / 4)
          print(dim(`  ${++quarter * 25} % of ${count(total)} ${unit}`))
      },
      stop() {},
    }
  }
  const bar = new cliProgress.SingleBar({
    format: `  ${cyan('{bar}')} {done} of {all} ${unit}  ${dim('{speed}{left}')}`,
    barCompleteChar: '━',
    barIncompleteChar: '─',
    barsize: Math.max(16, width - 56),
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    fps: 10,
  })
  const started = performance.now()
  let running = false
  return {
    update(done, total, speed = '') {
      if (!running) bar.start(total, 0, { done: '0', all: count(total), speed: '', left: '' })
      running = true
      const left = done > 0 ? ((performance.now() - started) / done) * (total - done) : 0
      const text = {
        done: count(done).padStart(count(total).length),
        left: left > 1000 ? ` · ${duration(left)} left` : '',
      }
      bar.update(done, { ...text, speed })
    },
    stop() {
      if (running) bar.stop()
    },
  }
}

export const count = (number) => Math.round(number).toLocaleString('en-US')

export function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

export const megabytes = (bytes) => `${count(bytes / 1e6)} MB`
