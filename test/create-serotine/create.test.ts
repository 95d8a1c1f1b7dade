// The command itself: what it writes, refuses and says. Built, and started as npm starts it.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { packageName, writeProject } from '../../packages/create-serotine/src/project.js'

const command = fileURLToPath(new URL('../../packages/create-serotine/bin/create-serotine.js', import.meta.url))
const listed = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../packages/create-serotine/templates.json', import.meta.url)), 'utf8'),
) as { name: string; about: string }[]

let here: string
beforeEach(() => {
  here = mkdtempSync(join(tmpdir(), 'serotine-create-'))
})
afterEach(() => rmSync(here, { recursive: true, force: true }))

function create(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    cwd: here,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], npm_config_user_agent: 'npm/11.0.0 node/v22.0.0 linux x64', ...env },
  })
  return { status, stdout, stderr }
}

/** A package manager that notes how it was called and ends as it is told to. */
function standIn(name: string, code = 0): Record<string, string> {
  const folder = join(here, 'programs')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, name)
  writeFileSync(file, `#!/bin/sh\necho "$PWD $0 $*" >> "${join(here, 'calls')}"\nexit ${code}\n`)
  chmodSync(file, 0o755)
  return { PATH: [folder, process.env['PATH']].join(delimiter) }
}
const calls = () =>
  existsSync(join(here, 'calls')) ? readFileSync(join(here, 'calls'), 'utf8').trim().split('\n') : []
const windows = process.platform === 'win32'

describe('create-serotine', () => {
  it('says its version, its templates and how it is used', () => {
    const { version } = JSON.parse(readFileSync(join(command, '../../package.json'), 'utf8')) as { version: string }
    expect(create(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
    const list = create(['--list'])
    expect(list.status).toBe(0)
    for (const { name, about } of listed)
      expect(list.stdout).toMatch(new RegExp(`^${name} +${about.replace(/[()]/g, '\\$&')}$`, 'm'))
    const { status, stdout } = create(['--help'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/--template.*\n[\s\S]*--no-install[\s\S]*npm create serotine my-chat -- --template/)
    expect(stdout).not.toContain('rest')
  })

  it('asks nothing where there is no terminal, and says what to give', () => {
    const { status, stderr } = create(['my-chat'])
    expect([status, stderr]).toEqual([1, expect.stringMatching(/no terminal to ask on.*--template chatbot\|/)])
    expect(readdirSync(here)).toEqual([])
  })

  it('has a folder of its own where none is named', () => {
    expect(create(['--template', 'ai-sdk', '--no-install']).status).toBe(0)
    expect(readdirSync(here)).toEqual(['serotine-ai-sdk'])
  })

  it('writes into the folder it is in', () => {
    mkdirSync(join(here, '.git'))
    const { status, stdout } = create(['.', '--template', 'ai-sdk', '--no-install'])
    expect([status, stdout]).toEqual([0, expect.stringContaining('Next: npm install && npm run start')])
    expect(existsSync(join(here, 'package.json'))).toBe(true)
  })

  it.each([
    [['a', '--template', 'next'], 2, /'next' is invalid. Allowed choices are chatbot/],
    [['a', '--templat', 'ai-sdk'], 2, /unknown option '--templat'[\s\S]*--template/],
    [['a', 'ai-sdk'], 1, /npm keeps flags for itself.*npm create serotine a -- --template ai-sdk/],
    [['a', 'b'], 1, /One folder, please: got "a" and "b"\.$/m],
    [
      ['a', '--template', 'ai-sdk', '--package-manager', 'deno'],
      2,
      /'deno' is invalid. Allowed choices are npm, pnpm, yarn, bun/,
    ],
    [['a', '--template', 'ai-sdk', '--start', '--no-install'], 1, /--start needs what --no-install leaves out/],
  ])('refuses %j', (args, status, message) => {
    const result = create(args)
    expect([result.status, result.stderr]).toEqual([status, expect.stringMatching(message)])
    expect(readdirSync(here)).toEqual([])
  })

  it('refuses a folder with something in it, and a file', () => {
    mkdirSync(join(here, 'full'))
    for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(here, 'full', name), name)
    const full = create(['full', '--template', 'ai-sdk', '--no-install'])
    expect([full.status, full.stderr]).toEqual([
      1,
      expect.stringMatching(/full is not empty: it has a, b, c and 1 more\. Choose another/),
    ])
    expect(readdirSync(join(here, 'full'))).toHaveLength(4)
    const file = create([join('full', 'a'), '--template', 'ai-sdk', '--no-install'])
    expect([file.status, file.stderr]).toEqual([1, expect.stringMatching(/is a file\. Choose another name/)])
    const below = create([join('full', 'a', 'b'), '--template', 'ai-sdk', '--no-install'])
    expect([below.status, below.stderr]).toEqual([1, expect.stringMatching(/ENOTDIR.*Choose another/)])
  })

  it.skipIf(windows)('installs with the package manager that started it, or the one that is named', () => {
    const pnpm = { ...standIn('pnpm'), npm_config_user_agent: 'pnpm/10.34.8 npm/? node/v22.0.0 linux x64' }
    expect(create(['a', '--template', 'ai-sdk'], pnpm)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('pnpm run start'),
    })
    create(['b', '--template', 'ai-sdk', '--package-manager', 'bun', '--start'], {
      ...standIn('bun'),
      npm_config_user_agent: 'npm/11',
    })
    expect(calls()).toEqual([
      expect.stringMatching(/\/a \S*pnpm install$/),
      expect.stringMatching(/\/b \S*bun install$/),
      expect.stringMatching(/\/b \S*bun run start$/),
    ])
  })

  it.skipIf(windows)('keeps the project when installing fails, and says where to go on', () => {
    const { status, stderr } = create(['a', '--template', 'ai-sdk'], standIn('npm', 7))
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/"npm install" ended with 7.*The project is in a: run the command there again/),
    ])
    expect(existsSync(join(here, 'a', 'package.json'))).toBe(true)
    const missing = create(['b', '--template', 'ai-sdk', '--package-manager', 'yarn'], { PATH: join(here, 'programs') })
    expect(missing.stderr).toMatch(/yarn is not installed.*--package-manager npm\|pnpm/)
  })
})

describe('a project that cannot be written', () => {
  // A file and a folder of one name: what comes second fails.
  const files = {
    'package.json': '{ "engines": { "node": "*" }, "scripts": {}, "dependencies": {} }',
    'lib/a': '',
    lib: '',
  }
  const template = { name: 'broken', about: '', files }

  it('leaves nothing behind', async () => {
    await expect(writeProject(template, join(here, 'new', 'deep'), '1.0.0')).rejects.toThrow(
      /cannot be written: .*Nothing was left there/,
    )
    expect(readdirSync(here)).toEqual([])
  })

  it('leaves the folder as it was', async () => {
    mkdirSync(join(here, '.git'))
    await expect(writeProject(template, here, '1.0.0')).rejects.toThrow(/cannot be written/)
    expect(readdirSync(here)).toEqual(['.git'])
  })
})

describe('the name of the package', () => {
  it.each([
    ['my-chat', 'my-chat'],
    ['My Chat', 'my-chat'],
    ['./deep/Über Chat!', 'u-ber-chat'],
    ['.hidden', 'hidden'],
    ['聊天', 'serotine-app'],
    ['node_modules', 'serotine-app'],
  ])('%s → %s', (folder, name) => {
    expect(packageName(folder)).toBe(name)
  })
})
