import { readFileSync } from 'node:fs'
import { Command, CommanderError, Help } from 'commander'
import { SerotineError } from '@serotine/core'
import { normalizeArguments } from './arguments.js'
import { GROUPS, Incomplete, Interrupted, addCommonOptions } from './command.js'
import { compactCommand } from './commands/upkeep/compact.js'
import { copyCommand } from './commands/upkeep/copy.js'
import { downloadCommand } from './commands/download.js'
import { encodeCommand } from './commands/encode.js'
import { evalCommand } from './commands/eval.js'
import { indexCommand } from './commands/index-texts.js'
import { inspectCommand } from './commands/inspect.js'
import { mcpCommand } from './commands/mcp.js'
import { helpCommand } from './commands/help.js'
import { removeCommand } from './commands/upkeep/remove.js'
import { rerankCommand } from './commands/rerank.js'
import { searchCommand } from './commands/search.js'
import { serveCommand } from './commands/serve.js'
import { verifyCommand } from './commands/upkeep/verify.js'
import { watchCommand } from './commands/watch.js'
import { HELP_LAYOUT, helpColumns } from './output/help.js'
import { isSystemError, systemMessage } from './output/system-error.js'
import { createTerminal } from './output/terminal.js'

/** Also shows what only some need: the options of models. */
const HELP_ALL = '--help-all'
const RARELY_NEEDED: readonly string[] = [GROUPS.encoding, GROUPS.overrides, GROUPS.model]

const EXIT_OK = 0
const EXIT_ERROR = 1
const EXIT_USAGE = 2
/** Done, except for what could not be read. */
const EXIT_INCOMPLETE = 3
const EXIT_INTERRUPTED = 130

/** Runs the command line and returns the code the process should exit with. */
export async function run(args: readonly string[]): Promise<number> {
  const asksForHelp = args[0] === 'help'
  const program = createProgram({ helpAll: args.includes(HELP_ALL) || (asksForHelp && args.includes('--all')) })
  const normalized = normalizeArguments(
    args.map((arg) => (arg === HELP_ALL ? (asksForHelp ? '--all' : '--help') : arg)),
    knownFlags(program),
  )
  try {
    await program.parseAsync(normalized, { from: 'user' })
    return EXIT_OK
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    if (error instanceof Incomplete) return EXIT_INCOMPLETE
    if (error instanceof Interrupted) {
      process.stderr.write('serotine: interrupted\n')
      return EXIT_INTERRUPTED
    }
    reportError(error, args.includes('--debug'))
    return SerotineError.isInstance(error) && error.code === 'UNKNOWN_OPTION' ? EXIT_USAGE : EXIT_ERROR
  }
}

export function createProgram({ helpAll = false } = {}): Command {
  const program = new Command('serotine')
    .description('Late-interaction (ColBERT) search over your texts. Offline, no Python.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .addHelpText('after', '\nStart here:\n  serotine index ./docs\n  serotine search "how do I configure a proxy"\n')
  const commands = [
    indexCommand(),
    searchCommand(),
    rerankCommand(),
    serveCommand(),
    mcpCommand(),
    watchCommand(),
    encodeCommand(),
    evalCommand(),
    inspectCommand(),
    removeCommand(),
    verifyCommand(),
    compactCommand(),
    copyCommand(),
    downloadCommand(),
    helpCommand(program),
  ]
  for (const command of commands) program.addCommand(addCommonOptions(command))
  for (const command of [program, ...commands]) {
    command
      .exitOverride()
      .showSuggestionAfterError()
      .configureHelp({
        ...HELP_LAYOUT,
        // A switch and its opposite are one line.
        optionTerm: (option) => (negates(command, option.long) ? option.flags.replace('--', '--[no-]') : option.flags),
        subcommandTerm: (subcommand) => `${subcommand.name()} ${subcommand.usage().replace('[options] ', '')}`,
        sortSubcommands: false,
        visibleOptions: (shown) => {
          const options = new Help().visibleOptions(shown)
          return helpAll || shown.name() === 'encode'
            ? options
            : options.filter((option) => !RARELY_NEEDED.includes(option.helpGroupHeading ?? ''))
        },
        styleTitle: (title) => createTerminal({}).colors.bold(title),
        styleOptionText: (text) => text,
      })
      .configureOutput({
        getOutHelpWidth: () => helpColumns(),
        getErrHelpWidth: () => helpColumns(),
        outputError: (message, write) => {
          const hint = `Run "serotine${command === program ? '' : ` ${command.name()}`} --help" to see how it is used.`
          write(`${message.replace(/^error: /, 'serotine: ')}${hint}\n`)
        },
      })
  }
  return program
}

function negates(command: Command, long: string | undefined): boolean {
  return long !== undefined && command.options.some((option) => option.long === long.replace('--', '--no-'))
}

function knownFlags(program: Command): Set<string> {
  const options = [program, ...program.commands].flatMap((command) => command.options)
  return new Set(options.flatMap((option) => (option.long ? [option.long] : [])))
}

function reportError(error: unknown, debug: boolean): void {
  const { errColors } = createTerminal({})
  const message = isSystemError(error)
    ? systemMessage(error)
    : error instanceof Error || SerotineError.isInstance(error)
      ? error.message
      : String(error)
  process.stderr.write(`${errColors.red('serotine:')} ${message}\n`)
  if (debug && error instanceof Error) {
    process.stderr.write(`${errColors.dim(error.stack ?? '')}\n`)
    if (error.cause instanceof Error) process.stderr.write(errColors.dim(`caused by ${error.cause.stack}\n`))
  } else if (!SerotineError.isInstance(error) && !isSystemError(error)) {
    // Not one of ours: the message alone may say little.
    process.stderr.write(
      `${errColors.dim('This was unexpected. Run again with --debug to see where it comes from.')}\n`,
    )
  }
}

function packageVersion(): string {
  // dist/ and src/ both lie one level below the manifest.
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}
