import { stat } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import { SerotineError } from '@serotine/core'
import { readLines, splitLines } from './lines.js'
import type { Line } from './lines.js'

/** Lines of a file or of standard input. */
export interface LineInput {
  /** For messages. */
  readonly name: string
  readonly lines: AsyncIterable<Line>
  /** How much of it `bytes` are; undefined for a stream. */
  share(bytes: number): number | undefined
}

interface InputContext {
  readonly signal: AbortSignal
  readonly terminal: { note(text: string): void; warn(text: string): void }
}

/** @param file a path; `-` or nothing for standard input */
export async function readInput(file: string | undefined, { signal, terminal }: InputContext): Promise<LineInput> {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) terminal.note('Reading the lines you type; end with Ctrl-D.')
    const name = 'standard input'
    const onReplaced = (): void => terminal.warn(`${name} is not valid UTF-8; undecodable bytes became "\ufffd"`)
    // Waiting for a line that never comes must not outlast Ctrl-C.
    return {
      name,
      lines: splitLines(addAbortSignal(signal, process.stdin), { signal, onReplaced }),
      share: () => undefined,
    }
  }
  const info = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new SerotineError(
      'INPUT_FORMAT',
      `${file} cannot be read (${cause.code ?? cause.message}). Check the path.`,
      { cause },
    )
  })
  if (info.isDirectory()) throw new SerotineError('INPUT_FORMAT', `${file} is a folder; it must be a file of lines.`)
  const onReplaced = (): void => terminal.warn(`${file} is not valid UTF-8; undecodable bytes became "\ufffd"`)
  return {
    name: file,
    lines: readLines(file, { signal, onReplaced }),
    share: (bytes) => (info.size > 0 ? bytes / info.size : 1),
  }
}
