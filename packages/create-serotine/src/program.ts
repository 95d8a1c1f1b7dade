import { readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { intro, log, outro } from '@clack/prompts'
import { Command, CommanderError, Option } from 'commander'
import { Failure } from './failure.js'
import { installCommand, PACKAGE_MANAGERS, runCommand, runIn, startedBy } from './package-manager.js'
import type { PackageManager } from './package-manager.js'
import { checkFolder, writeProject } from './project.js'
import { askFolder, askTemplate, askYes, Cancelled } from './questions.js'
import { missingNode, readTemplates, startScript } from './templates.js'
import type { Template } from './templates.js'

interface Options {
  template?: string
  install: boolean
  start?: boolean
  packageManager?: PackageManager
  list?: boolean
  yes?: boolean
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** @returns the exit code: 0, 1 when something failed, 2 for wrong arguments, 130 when a question was cancelled */
export async function run(args: readonly string[]): Promise<number> {
  const templates = readTemplates()
  const program = commandFor(templates)
  try {
    program.parse([...args], { from: 'user' })
    const options = program.opts<Options>()
    if (options.list) {
      process.stdout.write(listOf(templates))
      return 0
    }
    await create(templates, program.args, options)
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof Cancelled) return 130
    if (!(error instanceof Failure)) throw error
    process.stderr.write(`error: ${error.message}\n`)
    return 1
  }
}

function commandFor(templates: readonly Template[]): Command {
  const names = templates.map(({ name }) => name)
  return (
    new Command('create-serotine')
      .usage('[folder] [options]')
      .description('Makes a program that answers from your files, with the sources it cites. Offline, without a key.')
      .argument('[folder]', 'where to put it; its name becomes that of the package')
      // A second one is usually the value of a flag that npm took away: told in `create`.
      .argument('[rest...]')
      .addOption(new Option('-t, --template <name>', 'which one').choices(names))
      .option('-l, --list', 'list the templates')
      .option('--no-install', 'write the files only')
      .option('--start', 'start it when it is installed')
      .addOption(
        new Option('--package-manager <name>', 'default: the one that runs this').choices([...PACKAGE_MANAGERS]),
      )
      .option('-y, --yes', 'ask nothing')
      .version(version, '-V, --version')
      .helpOption('-h, --help')
      .addHelpText(
        'after',
        `\nTemplates:\n${listOf(templates, '  ')}\nWith npm, flags go after --:\n  npm create serotine my-chat -- --template ${names[0]}`,
      )
      .configureHelp({ visibleArguments: (command) => command.registeredArguments.slice(0, 1) })
      .exitOverride()
      .action(() => {})
  )
}

function listOf(templates: readonly Template[], indent = ''): string {
  const width = Math.max(...templates.map(({ name }) => name.length))
  return templates.map(({ name, about }) => `${indent}${name.padEnd(width)}  ${about}\n`).join('')
}

async function create(templates: readonly Template[], given: readonly string[], options: Options): Promise<void> {
  const [firstArgument, second] = given
  if (second !== undefined) {
    const flag = templates.some(({ name }) => name === second)
    const remedy = flag
      ? ` npm keeps flags for itself unless they follow --: npm create serotine ${firstArgument} -- --template ${second}`
      : ''
    throw new Failure(`One folder, please: got ${given.map((one) => JSON.stringify(one)).join(' and ')}.${remedy}`)
  }
  if (options.start && !options.install)
    throw new Failure('--start needs what --no-install leaves out. Give one of them.')
  const asks = process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env['CI'] && !options.yes
  if (firstArgument !== undefined) await checkFolder(firstArgument)
  if (asks) intro(`create-serotine ${version}`)
  const template =
    templates.find(({ name }) => name === options.template) ??
    (asks ? await askTemplate(templates) : noTemplate(templates))
  const folder = firstArgument ?? (asks ? await askFolder(`serotine-${template.name}`) : `serotine-${template.name}`)

  const needed = missingNode(template, process.versions.node)
  if (needed) log.warn(`${template.name} is for Node ${needed}; this is ${process.versions.node}.`)
  await writeProject(template, folder, version)
  const shown = relative(process.cwd(), resolve(folder)) || '.'
  log.success(`${template.name} is in ${shown}`)

  const manager = options.packageManager ?? startedBy()
  const installs = options.install && (!asks || (await askYes(`Install its packages with ${manager}?`)))
  if (installs) await installIn(folder, manager)
  const script = startScript(template)
  const starts = options.start ?? (asks && installs && (await askYes('Start it now?')))
  if (starts && installs) {
    outro(runCommand(manager, script).join(' '))
    await runIn(folder, runCommand(manager, script))
    return
  }
  const next = [
    ...(shown === '.' ? [] : [`cd ${/\s/.test(shown) ? JSON.stringify(shown) : shown}`]),
    ...(installs ? [] : [installCommand(manager).join(' ')]),
    runCommand(manager, script).join(' '),
  ]
  outro(`Next: ${next.join(' && ')}`)
}

function noTemplate(templates: readonly Template[]): never {
  const names = templates.map(({ name }) => name).join('|')
  throw new Failure(`There is no terminal to ask on. Name the template: --template ${names}`)
}

async function installIn(folder: string, manager: PackageManager): Promise<void> {
  try {
    await runIn(folder, installCommand(manager))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(`${error.message} The project is in ${folder}: run the command there again.`, { cause: error })
  }
}
