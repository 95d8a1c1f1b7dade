// Installing as users do: packed tarballs from a registry, in an empty folder, with each package manager.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

describe('@serotine/core and serotine', () => {
  it('install with npm, with no script to run, and search', async () => {
    const folder = emptyProject('npm')
    await run('npm', ['install', '--registry', registry.url, '@serotine/core', 'serotine'], folder)
    expect(withInstallScript(folder)).toEqual([])
    expect(await search(folder)).toEqual(native)
  })

  it('install with pnpm, with no script to run, and search', async () => {
    const folder = emptyProject('pnpm')
    await run('npx', ['--yes', packageManager, 'add', '--registry', registry.url, '@serotine/core', 'serotine'], folder)
    expect(withInstallScript(folder)).toEqual([])
    expect(await search(folder)).toEqual(native)
  })

  it('install with yarn and search', async () => {
    const folder = emptyProject('yarn')
    const yarn = [
      '--yes',
      'yarn@1.22.22',
      'add',
      '--registry',
      registry.url,
      '--cache-folder',
      join(scratch, 'yarn-cache'),
    ]
    await run('npx', [...yarn, '@serotine/core', 'serotine'], folder)
    expect(await search(folder)).toEqual(native)
  })

  it('search without optional dependencies, on WebAssembly, and say so', async () => {
    const folder = emptyProject('npm-small')
    await run('npm', ['install', '--registry', registry.url, '--omit=optional', '@serotine/core'], folder)
    expect(await search(folder)).toEqual({ hit: 'kiwi', runtime: 'wasm', warnings: ['RUNTIME_WASM'] })
  })

  it('run by npx from nothing', async () => {
    const folder = emptyProject('npx')
    mkdirSync(join(folder, 'docs'))
    writeFileSync(join(folder, 'docs', 'proxy.md'), '# Proxy\n\nSet HTTP_PROXY to go through a proxy.\n')
    const env = { npm_config_registry: registry.url, npm_config_cache: join(scratch, 'npx-cache') }
    await run('npx', ['--yes', 'serotine', 'index', './docs'], folder, env)
    const found = await run('npx', ['--yes', 'serotine', 'search', 'how do I configure a proxy', '--json'], folder, env)
    expect(JSON.parse(found)).toMatchObject({ hits: [{ source: expect.stringMatching(/proxy\.md$/) }] })
  })
})
