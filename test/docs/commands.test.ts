// The shell commands of the pages: those of `serotine` are run, of the others every name and flag is looked up.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serotine } from '../cli/run-cli.js'
import { commandsOf } from './commands.js'
import type { Command } from './commands.js'
import { FILES } from './files.js'
import { blocksOf, pages, ROOT } from './pages.js'
import { Workshop } from './programs.js'

const commands = new Map(pages().map((page) => [page, commandsOf(blocksOf(page))]))
const withCommands = [...commands].filter(([, commands]) => commands.length > 0).map(([page]) => page)
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

let workshop: Workshop
beforeAll(() => {
  workshop = new Workshop()
})
afterAll(() => workshop.remove())

describe('commands in the documentation', () => {
  it('are found', () => {
    expect(withCommands).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'docs/cli.md']))
  })

  it.each(withCommands)(
    'of %s work',
    async (page) => {
      const room = workshop.room(`${page}-commands`, FILES[page])
      for (const command of commands.get(page)!) {
        const [program, ...words] = command.words[0] === 'npx' ? command.words.slice(1) : command.words
        if (program === 'serotine') await expectToRun(command, words, room)
        else expect(problemOf(page, program!, words), `${page}:${command.line}: ${command.words.join(' ')}`).toBe('')
      }
    },
    120_000,
  )
})

describe('the check of commands', () => {
  it('finds what does not exist', () => {
    expect(problemOf('README.md', 'npm', ['run', 'dmeo'])).toMatch(/no script dmeo/)
    expect(problemOf('README.md', 'npm', ['install', '@serotine/haystack'])).toMatch(/no package @serotine\/haystack/)
    expect(problemOf('README.md', 'node', ['bench/retreival.mjs'])).toMatch(/no file bench\/retreival\.mjs/)
    expect(problemOf('README.md', 'node', ['bench/retrieval.mjs', '--preset', 'small'])).toMatch(/no option --preset/)
    expect(problemOf('README.md', 'npm', ['create', 'serotine', 'a', '--', '--template', 'nxt', '--instal'])).toBe(
      'no flag --instal\nno template nxt',
    )
    expect(problemOf('examples/ai-sdk-rag/README.md', 'OPENAI_KEY=a', ['npm', 'start'])).toBe(
      'nothing reads OPENAI_KEY',
    )
    expect(problemOf('README.md', 'yarn', ['add', 'serotine'])).toMatch(/unknown program yarn/)
  })

  it('sees every command of a line', () => {
    const [page, code] = ['a.md', '```sh\na "b c" --d && npx e # f\ng \\\n  h > i\n```\n']
    const words = commandsOf(blocksOf(page, code)).map(({ words, output }) => [words, output])
    expect(words).toEqual([
      [['a', 'b c', '--d'], undefined],
      [['npx', 'e'], undefined],
      [['g', 'h'], 'i'],
    ])
  })
})

async function expectToRun(command: Command, words: readonly string[], room: string): Promise<void> {
  const place = `${command.page}:${command.line}: ${command.words.join(' ')}`
  // A server runs until it is ended: once it says where it is, at any port that is free.
  const isServer = words[0] === 'serve'
  const untilSays = isServer ? /at http:\/\/[\d.]+:\d+/ : words[0] === 'watch' ? /and follows/ : undefined
  const { code, stdout, stderr } = await serotine(isServer ? [...words, '--port', '0'] : words, {
    cwd: room,
    env: { HF_HUB_OFFLINE: '1' },
    ...(untilSays && { interrupt: { whenStderr: untilSays, signal: 'SIGTERM' as const } }),
  })
  expect(code, `${place}\n${stderr}`).toBe(0)
  if (command.output) writeFileSync(join(room, command.output), stdout)
  if (command.prints !== undefined) expect(stdout, place).toBe(command.prints)
  // Times differ from run to run; that they are there, by these names, does not.
  const timeless = (text: string, numbers: (value: number) => unknown): unknown =>
    JSON.parse(text, (key, value: unknown) => {
      if (key === 'milliseconds') return Object.keys(value as object)
      return typeof value === 'number' && !Number.isInteger(value) ? numbers(value) : value
    })
  if (command.json !== undefined) {
    // The last digits of a score are the processor's.
    const page = timeless(command.json, (value) => expect.closeTo(value, 4) as unknown)
    expect(timeless(stdout, Number), place).toEqual(page)
  }
}

/** What `npm create serotine` is given: test/create-serotine runs it. */
function problemOfCreate([initializer, ...rest]: readonly string[]): string {
  if (initializer !== 'serotine') return `no package create-${initializer}`
  const folder = join(ROOT, 'packages/create-serotine')
  const source = readFileSync(join(folder, 'src/program.ts'), 'utf8')
  const templates = JSON.parse(readFileSync(join(folder, 'templates.json'), 'utf8')) as { name: string }[]
  const flags = rest.includes('--') ? rest.slice(rest.indexOf('--') + 1) : []
  const named = flags[flags.indexOf('--template') + 1]
  return [
    ...flags.filter((flag) => flag.startsWith('--') && !source.includes(`${flag} `)).map((flag) => `no flag ${flag}`),
    ...(flags.includes('--template') && !templates.some(({ name }) => name === named) ? [`no template ${named}`] : []),
  ].join('\n')
}

/** What is wrong with a command that is not run; '' when it exists as written. */
function problemOf(page: string, program: string, words: readonly string[]): string {
  const [, variable] = /^([A-Z][A-Z0-9_]*)=/.exec(program) ?? []
  if (variable !== undefined) {
    // An example reads what its page tells people to set.
    const sources = readdirSync(join(ROOT, dirname(page)), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.[cm]?[jt]sx?$/.test(path) && !/(^|[\\/])(node_modules|test)[\\/]/.test(path))
      .map((path) => readFileSync(join(ROOT, dirname(page), path), 'utf8'))
    // LlamaIndex's own class reads where its server is.
    const read = sources.some((source) => source.includes(variable)) || page === 'examples/llamaindex-chat/README.md'
    return read ? problemOf(page, words[0]!, words.slice(1)) : `nothing reads ${variable}`
  }
  if (program === 'npm') {
    const [verb, ...names] = words
    if (verb === 'install') {
      const missing = names.filter((name) => !existsSync(join(ROOT, 'node_modules', name)))
      return missing.map((name) => `no package ${name}`).join('\n')
    }
    if (verb === 'create') return problemOfCreate(names)
    const script = verb === 'run' ? names[0]! : verb!
    // The commands of an example's page are run in its folder, but for those of the clone it is in.
    const own = join(ROOT, dirname(page), 'package.json')
    const { scripts = {} } = (existsSync(own) ? JSON.parse(readFileSync(own, 'utf8')) : {}) as Partial<typeof manifest>
    return script in manifest.scripts || script in scripts ? '' : `no script ${script}`
  }
  if (program === 'node') {
    const [file, ...rest] = words
    const path = [join(ROOT, dirname(page), file!), join(ROOT, file!)].find((path) => existsSync(path))
    if (path === undefined) return `no file ${file}`
    const source = readFileSync(path, 'utf8')
    const flags = rest.filter((word) => word.startsWith('--')).map((word) => word.slice(2))
    const unknown = flags.filter((flag) => !new RegExp(`^\\s*'?${flag}'?: \\{`, 'm').test(source))
    return unknown.map((flag) => `no option --${flag}`).join('\n')
  }
  // Agents that are told of a server: what comes after `--` is what they run, as test/docs/mcp.test.ts does.
  if (['claude', 'codex'].includes(program) && page === 'docs/mcp.md') {
    return /^mcp add serotine -- npx -y serotine mcp$/.test(words.join(' ')) ? '' : `no server in ${words.join(' ')}`
  }
  // Compared with the commands that the matrix runs by test/install/bundlers.test.ts.
  if (program === 'esbuild' && page === 'docs/bundlers.md') return ''
  if (program.startsWith('.')) return existsSync(join(ROOT, program)) ? '' : `no file ${program}`
  return `unknown program ${program}`
}
