// Installing as users do: packed tarballs from a registry, in an empty folder, with each package manager.
import { execFile } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
// @ts-expect-error a script without types
import { environment } from '../../bench/environment.mjs'
import { foreignRuntimes, ownRuntime, packAll, root } from './packed.js'
import { serveRegistry } from './registry.js'
import type { Registry } from './registry.js'

const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { packageManager: string }
const shell = process.platform === 'win32'
const hasNative = existsSync(join(root, 'packages', ownRuntime))

let scratch: string
let registry: Registry
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'serotine-install-'))
  registry = await serveRegistry(packAll(join(scratch, 'tarballs')).values(), foreignRuntimes())
}, 240_000)
afterAll(() => {
  registry?.close()
  rmSync(scratch, { recursive: true, force: true })
})

const PROGRAM = `
import { ColBERT, MultiVectorIndex } from '@serotine/core'
const warnings = []
const model = await ColBERT.load(undefined, { onWarning: ({ code }) => warnings.push(code) })
const index = await MultiVectorIndex.open('./birds', { model })
await index.upsert([{ id: 'kiwi', text: 'A kiwi is a bird that cannot fly.' }, { id: 'tern', text: 'Terns fly far.' }])
const [hit] = await index.search('flightless birds')
await index.close()
await model.close()
console.log(JSON.stringify({ hit: hit.id, runtime: model.runtime, warnings }))
`

function emptyProject(name: string): string {
  const folder = join(scratch, name)
  mkdirSync(folder)
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module' }),
  )
  writeFileSync(join(folder, 'search.js'), PROGRAM)
  return folder
}

/** Asynchronous, since the registry answers from this process. A failure rejects with what was printed. */
async function run(command: string, args: string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  // Nothing of this checkout's own package manager: its npm_config_ variables would reach the one under test.
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm|pnpm)_/i.test(name)))
  const { stdout } = await promisify(execFile)(command, args, { cwd, shell, env: { ...inherited, ...env } })
  return stdout
}

const search = async (folder: string) => JSON.parse(await run(process.execPath, ['search.js'], folder)) as unknown
const native = { hit: 'kiwi', runtime: hasNative ? 'native' : 'wasm', warnings: hasNative ? [] : ['RUNTIME_WASM'] }

/** Packages below `folder` that would run something when installed. */
function withInstallScript(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|[\\/])node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+[\\/]package\.json$/.test(path))
    .filter((path) => {
      const { scripts = {} } = JSON.parse(readFileSync(join(folder, path), 'utf8')) as {
        scripts?: Record<string, string>
      }
      return ['preinstall', 'install', 'postinstall'].some((name) => name in scripts)
    })
}

/** What was measured, for docs/install.md: written to this file by `npm run matrix:managers`, which tries more of them. */
const resultFile = process.env.SEROTINE_INSTALL_RESULT
const rows: object[] = []
afterAll(async () => {
  if (resultFile)
    writeFileSync(
      resultFile,
      `${JSON.stringify({ kind: 'install-managers', ...(await environment()), command: 'npm run matrix:managers', rows }, undefined, 2)}\n`,
    )
})

/** Bytes of the files below a folder, each once however often it is linked. */
function sizeOf(folder: string): number {
  const sizes = new Map<number, number>()
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stats = lstatSync(join(folder, path))
    if (stats.isFile()) sizes.set(stats.ino, stats.size)
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

/** Installs packages into an empty project, looks for scripts that would have run, searches; notes size and seconds. */
async function installAndSearch(name: string, command: readonly string[], expected: unknown, files: object = {}) {
  const folder = emptyProject(name.replace(/\W+/g, '-'))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  const started = performance.now()
  await run(command[0]!, command.slice(1), folder)
  const installed = performance.now()
  expect(withInstallScript(folder)).toEqual([])
  const found = await search(folder)
  expect(found).toEqual(expected)
  rows.push({
    name,
    packages: command.filter((word) => /^(@serotine\/\w+|serotine)$/.test(word)),
    runtime: (found as { runtime: string }).runtime,
    bytes: sizeOf(join(folder, 'node_modules')),
    installSeconds: (installed - started) / 1000,
    firstHitSeconds: (performance.now() - installed) / 1000,
  })
}

const both = ['@serotine/core', 'serotine']
const from = () => ['--registry', registry.url]

describe('@serotine/core and serotine', () => {
  it('install with npm, with no script to run, and search', () =>
    installAndSearch('npm', ['npm', 'install', ...from(), ...both], native))

  it('install with pnpm, with no script to run, and search', () =>
    installAndSearch(packageManager, ['npx', '--yes', packageManager, 'add', ...from(), ...both], native))

  it('install with yarn, with no script to run, and search', () => {
    const yarn = ['npx', '--yes', 'yarn@1.22.22', 'add', ...from(), '--cache-folder', join(scratch, 'yarn-cache')]
    return installAndSearch('yarn@1.22.22', [...yarn, ...both], native)
  })

  it('search without optional dependencies, on WebAssembly, and say so', () => {
    const command = ['npm', 'install', ...from(), '--omit=optional', '@serotine/core']
    return installAndSearch('npm --omit=optional', command, {
      hit: 'kiwi',
      runtime: 'wasm',
      warnings: ['RUNTIME_WASM'],
    })
  })

  it('run by npx from nothing', async () => {
    const folder = emptyProject('npx')
    mkdirSync(join(folder, 'docs'))
    writeFileSync(join(folder, 'docs', 'proxy.md'), '# Proxy\n\nSet HTTP_PROXY to go through a proxy.\n')
    const env = { npm_config_registry: registry.url, npm_config_cache: join(scratch, 'npx-cache') }
    await run('npx', ['--yes', 'serotine', 'index', './docs'], folder, env)
    const found = await run('npx', ['--yes', 'serotine', 'search', 'how do I configure a proxy', '--json'], folder, env)
    expect(JSON.parse(found)).toMatchObject({ hits: [{ source: expect.stringMatching(/proxy\.md$/) }] })
    const other = run(
      'npx',
      ['--yes', 'serotine', 'search', 'proxy', '--store', 'postgres://me:secret@localhost/app'],
      folder,
      env,
    )
    await expect(other).rejects.toThrow(/which is not installed\. Install it: npm install @serotine\/pgvector pg/)
  })
})

describe.runIf(resultFile)('other package managers', () => {
  it('npm, core alone', () => installAndSearch('npm, core alone', ['npm', 'install', ...from(), both[0]!], native))

  // It ends with an error where a package has a script that nobody approved.
  it('pnpm 12', () => installAndSearch('pnpm@12', ['npx', '--yes', 'pnpm@12', 'add', ...from(), ...both], native))

  it('yarn 4', () =>
    installAndSearch('yarn@4', ['npx', '--yes', '-p', '@yarnpkg/cli-dist@4.18.1', 'yarn', 'add', ...both], native, {
      '.yarnrc.yml': [
        'nodeLinker: node-modules',
        `npmRegistryServer: "${registry.url}"`,
        'unsafeHttpWhitelist: ["127.0.0.1"]',
        // It remembers where packages came from: a registry of another run, at a port that nobody has any more.
        `globalFolder: ${JSON.stringify(join(scratch, 'yarn'))}`,
        'enableTelemetry: false\n',
      ].join('\n'),
    }))

  it('Bun', () =>
    installAndSearch('bun@1.4.5', ['npx', '--yes', '-p', 'bun@1.4.5', 'bun', 'add', ...from(), ...both], native))
})
