import { Command, Option } from 'commander'
import { formatExamples, helpColumns } from './output/help.js'
import { createTerminal } from './output/terminal.js'
import type { Terminal } from './output/terminal.js'

/** What every command gets in addition to its own arguments. */
export interface Context {
  readonly terminal: Terminal
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** Flags of every command. */
export interface CommonValues {
  quiet?: boolean
  debug?: boolean
  color?: boolean
}

export interface CommandText {
  readonly summary: string
  /** One paragraph; commander breaks the lines. */
  readonly description?: string
  readonly examples: readonly (readonly [command: string, what: string])[]
}

export const GROUPS = {
  output: 'Output:',
  model: 'Model:',
  overrides: 'Instead of what the model says:',
  encoding: 'Encoding:',
  passages: 'Passages:',
  index: 'Index:',
} as const

/** A command with the flags all of them share, and examples under its help. */
export function createCommand(name: string, text: CommandText): Command {
  const command = new Command(name).summary(text.summary).description(text.description ?? text.summary)
  return command
    .addHelpText('after', () => `\nExamples:\n${formatExamples(text.examples, helpColumns())}\n`)
    .helpOption('-h, --help', 'show this help; --help-all shows every option')
}

/** Adds the flags all commands share; called last, so that they end the help. */
export function addCommonOptions(command: Command): Command {
  return command
    .addOption(new Option('-q, --quiet', 'no progress, no summary').helpGroup(GROUPS.output))
    .addOption(new Option('--color', 'colours (default: on a terminal)').helpGroup(GROUPS.output))
    .addOption(new Option('--no-color').hideHelp())
    .addOption(new Option('--debug', 'show where an error comes from').helpGroup(GROUPS.output))
}

/** Runs a command's work with its terminal and a signal that Ctrl-C aborts. */
export async function runWith<T>(values: CommonValues, work: (context: Context) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = (): void => {
    // The second Ctrl-C does not wait for the running batch.
    if (controller.signal.aborted) process.exit(130)
    controller.abort(new Interrupted())
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    return await work({ terminal: createTerminal(values), signal: controller.signal })
  } catch (error) {
    throw controller.signal.aborted ? new Interrupted() : error
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** What could be done was done and reported, but something could not be read. */
export class Incomplete extends Error {
  override readonly name = 'Incomplete'
  constructor() {
    super('Something could not be read.')
  }
}

export class Interrupted extends Error {
  override readonly name = 'AbortError'
  constructor() {
    super('Interrupted.')
  }
}
