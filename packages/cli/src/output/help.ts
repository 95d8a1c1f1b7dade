import { Help } from 'commander'
import type { Command } from 'commander'

/** Narrower than this nothing can be read. */
const NARROWEST = 40
/** Descriptions get at least so many columns; a term that leaves fewer stands on a line of its own. */
const DESCRIPTION = 32
const INDENT = 2

interface Output {
  readonly stream: { isTTY?: boolean; columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Columns that help is wrapped at: `COLUMNS`, else those of the terminal, else 80. */
export function helpColumns({ stream, env }: Output = { stream: process.stdout, env: process.env }): number {
  const wanted = Number(env.COLUMNS)
  const columns = Number.isInteger(wanted) && wanted > 0 ? wanted : stream.isTTY ? (stream.columns ?? 80) : 80
  return Math.max(NARROWEST, columns)
}

/** How commander's help is laid out, for `configureHelp`. */
export const HELP_LAYOUT = {
  minWidthToWrap: 20,
  padWidth(this: Help, command: Command, helper: Help): number {
    const natural = new Help().padWidth.call(this, command, helper)
    return Math.min(natural, (helper.helpWidth ?? 80) - DESCRIPTION - 2 * INDENT)
  },
  formatItem(this: Help, term: string, termWidth: number, description: string, helper: Help): string {
    const indent = ' '.repeat(INDENT)
    if (description === '') return indent + term
    const hanging = ' '.repeat(INDENT + termWidth + INDENT)
    const lines = helper
      // A list as commander prints a default has no place to be cut.
      .boxWrap(
        description.replaceAll('","', '", "'),
        Math.max(this.minWidthToWrap, (helper.helpWidth ?? 80) - hanging.length),
      )
      .split('\n')
    const space = termWidth - helper.displayWidth(term)
    // A long term has its line to itself, so that it does not squeeze the descriptions of all.
    const first = space >= 0 ? `${indent}${term}${' '.repeat(space)}${indent}` : `${indent}${term}\n${hanging}`
    return first + lines.join(`\n${hanging}`)
  },
}

/** Examples with what they do beside them, or below where the two do not fit. A long command is cut as a shell allows it. */
export function formatExamples(
  examples: readonly (readonly [command: string, what: string])[],
  columns: number,
): string {
  const width = Math.max(...examples.map(([command]) => command.length))
  const widest = Math.max(...examples.map(([, what]) => what.length))
  const indent = ' '.repeat(INDENT)
  if (INDENT + width + INDENT + widest <= columns)
    return examples.map(([command, what]) => `${indent}${command.padEnd(width)}${indent}${what}`.trimEnd()).join('\n')
  return examples
    .flatMap(([command, what]) => [
      ...wrapCommand(command, columns - INDENT).map((line) => indent + line),
      ...(what === '' ? [] : [`${indent}  # ${what}`]),
    ])
    .join('\n')
}

function wrapCommand(command: string, columns: number): string[] {
  const words = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []
  const lines: string[] = []
  let line = ''
  for (const word of words) {
    // The backslash that goes on needs its place as well.
    if (line !== '' && line.length + 1 + word.length > columns - 2) {
      lines.push(`${line} \\`)
      line = `  ${word}`
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
