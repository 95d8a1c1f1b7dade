import type { Writable } from 'node:stream'
import pc from 'picocolors'

export type Colors = ReturnType<typeof pc.createColors>

/** Where a command writes: results to standard output, everything else to standard error. */
export interface Terminal {
  /** Writes results to standard output, waiting when the reader is slower. */
  out(text: string): Promise<void>
  /** Reports on standard error; silent with `--quiet`. */
  note(text: string): void
  /** A remark for someone watching: only on a terminal, and not with `--quiet`. */
  aside(text: string): void
  /** What the user should know even with `--quiet`. */
  warn(text: string): void
  /** Colours of standard output and standard error: off unless each is a terminal (or FORCE_COLOR). */
  readonly colors: Colors
  readonly errColors: Colors
  /** Columns of standard output; 100 in a pipe. */
  readonly width: number
  /** Progress bars make sense: standard error is a terminal, and not with `--quiet`. */
  readonly showsProgress: boolean
}

interface Streams {
  stdout: Writable & { isTTY?: boolean; columns?: number }
  stderr: Writable & { isTTY?: boolean; columns?: number }
  env: Readonly<Record<string, string | undefined>>
}

export function createTerminal(options: { quiet?: boolean; color?: boolean }, streams: Streams = process): Terminal {
  const { stdout, stderr, env } = streams
  const coloured = (stream: { isTTY?: boolean }): boolean => options.color ?? wantsColor(env, stream.isTTY === true)
  const errColors = pc.createColors(coloured(stderr))
  return {
    out: (text) => write(stdout, text),
    note: (text) => {
      if (!options.quiet) stderr.write(`${text}\n`)
    },
    aside: (text) => {
      if (stderr.isTTY && !options.quiet) stderr.write(`${errColors.dim(text)}\n`)
    },
    warn: (text) => {
      stderr.write(`${errColors.yellow('warning')} ${text}\n`)
    },
    colors: pc.createColors(coloured(stdout)),
    errColors,
    width: Math.max(40, stdout.isTTY ? (stdout.columns ?? 80) : 100),
    showsProgress: stderr.isTTY === true && !options.quiet && env.TERM !== 'dumb',
  }
}

/** https://no-color.org and https://force-color.org: NO_COLOR wins, `FORCE_COLOR=0` is off. */
export function wantsColor(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  if (env.NO_COLOR) return false
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '')
    return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  return isTerminal && env.TERM !== 'dumb'
}

function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()))
  })
}
