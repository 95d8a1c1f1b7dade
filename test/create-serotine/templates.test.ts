// Every template as a stranger gets it: `npm create serotine` from the packed packages in an empty folder, then the project's own test.
// All are written; those that are quick to install are tested by default. `npm run test:templates` tests all
// (SEROTINE_TEST_TEMPLATES=all, or the names of some).
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
// @ts-expect-error a script without types
import { environment } from '../../bench/environment.mjs'
import { foreignRuntimes, packAll, root } from '../install/packed.js'
import { serveRegistry } from '../install/registry.js'
import type { Registry } from '../install/registry.js'

const templates = JSON.parse(readFileSync(join(root, 'packages/create-serotine/templates.json'), 'utf8')) as {
  name: string
  folder: string
}[]
/** Installed within half a minute: the others bring frameworks of some hundred megabytes. */
const QUICK = ['ai-sdk']
const chosen = process.env['SEROTINE_TEST_TEMPLATES']?.split(',') ?? QUICK
const installed = templates.filter(({ name }) => chosen.includes('all') || chosen.includes(name))
const shell = process.platform === 'win32'

let scratch: string
let registry: Registry
let version: string
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'serotine-templates-'))
  const packed = packAll(join(scratch, 'tarballs'))
  version = packed.get('create-serotine')!.manifest.version
  registry = await serveRegistry(packed.values(), foreignRuntimes())
}, 240_000)
afterAll(async () => {
  registry?.close()
  await rm(scratch, { recursive: true, force: true, maxRetries: 3 })
})

/** As in a shell of somebody who has never been here: nothing of this checkout's own package manager. */
function strangersEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm|pnpm|vitest|node_options|openai)_?/i.test(name),
  )
  return {
    ...Object.fromEntries(inherited),
    npm_config_registry: registry.url,
    npm_config_cache: join(scratch, 'cache'),
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    NEXT_TELEMETRY_DISABLED: '1',
  }
}

async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd, shell, env: strangersEnvironment() }).catch(
    (error: Error & { stdout: string; stderr: string }) => {
      throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`)
    },
  )
  return stdout
}

const create = (folder: string, ...flags: string[]) =>
  run(scratch, 'npm', 'create', '--yes', `serotine@${version}`, folder, '--', ...flags)

/** Files below a folder, without what was installed. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/[\\/](node_modules|\.next|\.index)([\\/]|$)/.test(entry.parentPath))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()

describe.each(templates)('npm create serotine -- --template $name', ({ name, folder }) => {
  it('writes what lies in examples/, as a project of its own', async () => {
    const output = await create(`My ${name}`, '--template', name, '--no-install')
    expect(output).toMatch(new RegExp(`cd "My ${name}" && npm install && npm run (start|dev)$`, 'm'))
    const project = join(scratch, `My ${name}`)
    const example = join(root, 'examples', folder)
    // Made by tools in the checkout, and ignored there.
    const ignored = /^(next-env\.d\.ts|.*\.tsbuildinfo)$/
    expect(filesOf(project)).toEqual(filesOf(example).filter((path) => !ignored.test(path)))
    expect(filesOf(project)).toEqual(expect.arrayContaining(['.gitignore', 'README.md', 'package.json']))
    for (const path of filesOf(project).filter((path) => path !== 'package.json'))
      expect(readFileSync(join(project, path)).equals(readFileSync(join(example, path))), path).toBe(true)
    const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
    expect(manifest).toMatchObject({ name: `my-${name}`, version: '0.1.0', private: true })
    const ours = Object.entries(manifest.dependencies).filter(([dependency]) =>
      /^(@serotine\/|serotine$)/.test(dependency),
    )
    expect(ours).not.toEqual([])
    expect(ours.filter(([, range]) => range !== `^${version}`)).toEqual([])
  })
})

/** Without a registry nothing can be installed; where CI runs there is one, and it must answer. */
const online =
  process.env['CI'] !== undefined ||
  (await promisify(execFile)('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=5000'], { shell }).then(
    () => true,
    () => false,
  ))

interface Row {
  name: string
  createSeconds: number
  answerSeconds: number
  megabytes?: number
}
/** What was measured, written to this file by `npm run test:templates` when it is named. */
const resultFile = process.env['SEROTINE_TEMPLATES_RESULT']
const rows: Row[] = []
afterAll(async () => {
  if (!resultFile) return
  const result = { kind: 'templates', ...(await environment()), command: 'npm run test:templates', rows }
  writeFileSync(resultFile, `${JSON.stringify(result, undefined, 2)}\n`)
})

interface FirstQuestion {
  question: string
  answer: RegExp
  /** What it prints once it can answer. Default: where it listens. */
  ready?: RegExp
  /** How its server is asked. Without one, the question is an argument. */
  ask?: (url: string, question: string) => Promise<string>
}

const HOLIDAY = { question: 'How many days of holiday do I have?', answer: /28 days of holiday .*\[1\]/ }
const FIRST_QUESTIONS: Record<string, FirstQuestion> = {
  chatbot: {
    question: 'May I touch a bat on the ground?',
    answer: /Never touch a bat with bare hands.*\[1\]/s,
    ready: /^Indexed/m,
    ask: askChatbot,
  },
  nextjs: { ...HOLIDAY, ask: (url, question) => askRoute(`${url}/api/chat/retrieval`, question) },
  'ai-sdk': { ...HOLIDAY, ask: (url, question) => askRoute(`${url}/api/chat`, question) },
  mastra: HOLIDAY,
  llamaindex: HOLIDAY,
}

const postJson = (url: string, body: unknown) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

async function askRoute(url: string, question: string): Promise<string> {
  const response = await postJson(url, {
    messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text: question }] }],
  })
  const text = await response.text()
  return [...text.matchAll(/"delta":("(?:[^"\\]|\\.)*")/g)].map(([, delta]) => JSON.parse(delta!) as string).join('')
}

async function askChatbot(url: string, question: string): Promise<string> {
  const { id } = (await (await postJson(`${url}/api/chats`, {})).json()) as { id: string }
  return (await postJson(`${url}/api/chats/${id}`, { question })).text()
}

const scriptsOf = (folder: string) =>
  (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts

/** Starts the project and asks, as the first question ever. */
async function firstAnswer(folder: string, { question, answer, ready = /http:/, ask }: FirstQuestion): Promise<void> {
  const args = ['run', '--silent', 'dev' in scriptsOf(folder) ? 'dev' : 'start', ...(ask ? [] : ['--', question])]
  const env = { ...strangersEnvironment(), PORT: '0' }
  const child = spawn('npm', args, { cwd: folder, shell, detached: !shell, env })
  let output = ''
  try {
    for await (const chunk of child.stdout) {
      output += String(chunk)
      const [url] = /http:\/\/(127\.0\.0\.1|localhost):\d+/.exec(output) ?? []
      if (ask === undefined ? answer.test(output) : url !== undefined && ready.test(output)) {
        if (ask) output = await ask(url!, question)
        break
      }
    }
  } finally {
    if (child.pid !== undefined && !shell) process.kill(-child.pid)
    else child.kill()
  }
  expect(output).toMatch(answer)
}

describe.runIf(online).each(installed)('$name, installed by npm', ({ name }) => {
  it('answers its first question, passes its types and its own test', async () => {
    const started = performance.now()
    const folder = join(scratch, name)
    await create(name, '--template', name)
    const created = performance.now()
    await firstAnswer(folder, FIRST_QUESTIONS[name]!)
    rows.push({ name, createSeconds: (created - started) / 1000, answerSeconds: (performance.now() - started) / 1000 })
    console.info(rows.at(-1))
    // The chatbot's tests are those of the repository, test/examples/chatbot: they need a browser and much else.
    for (const script of ['typecheck', 'test']) if (script in scriptsOf(folder)) await run(folder, 'npm', 'run', script)
  }, 600_000)
})

it('has quick templates among its own', () => {
  expect(templates.map(({ name }) => name)).toEqual(expect.arrayContaining(QUICK))
  expect(Object.keys(FIRST_QUESTIONS).sort()).toEqual(templates.map(({ name }) => name).sort())
})
