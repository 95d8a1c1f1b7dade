// Examples copied out, installed by npm with our packed packages as the registry would serve them, and run.
// Templates of create-serotine have a test of their own, test/create-serotine.
// One example by default; SEROTINE_TEST_EXAMPLES=all installs every one, which downloads the frameworks, or those that it names: =chatbot,demo.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { foreignRuntimes, packAll } from '../install/packed.js'
import { serveRegistry, type Registry } from '../install/registry.js'
import { copyExample } from './copy.js'

const PRINTS: Record<string, RegExp> = {
  chatbot: /^Indexed +5 documents, \d+ passages$/m,
  'ai-sdk-rerank': /^0\.\d{3} {2}0 {2}Rain jacket$/m,
  'langchain-agent': /Answer {4}The Arctic tern migrates/,
  'langchain-retriever': /remote\.md#1 {2}Working from another country/,
  demo: /centroid codes keep \d+\.\d % of exact MaxSim's nDCG@10/,
}
const named = process.env.SEROTINE_TEST_EXAMPLES ?? 'ai-sdk-rerank'
const chosen = named === 'all' ? Object.keys(PRINTS) : named.split(',')

const run = promisify(execFile)
const npm = (cwd: string, signal: AbortSignal, ...args: string[]) =>
  run('npm', args, {
    cwd,
    signal,
    shell: process.platform === 'win32',
  })

/** What an example prints until it ends; a server is ended when it has printed what it is to. */
async function printed(copy: string, pattern: RegExp, signal: AbortSignal): Promise<string> {
  const { scripts } = JSON.parse(readFileSync(join(copy, 'package.json'), 'utf8')) as { scripts: { start: string } }
  const started = spawn(process.execPath, scripts.start.split(' ').slice(1), {
    cwd: copy,
    signal,
    env: { ...process.env, PORT: '0' },
  })
  let output = ''
  started.stdout.on('data', (piece: Buffer) => {
    output += piece.toString()
    if (/^Open +http/m.test(output) && pattern.test(output)) started.kill()
  })
  started.stderr.on('data', (piece: Buffer) => (output += piece.toString()))
  await once(started, 'close')
  return output
}

let folder: string
let registry: Registry
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-examples-'))
  registry = await serveRegistry(packAll(folder).values(), foreignRuntimes())
}, 240_000)
afterAll(async () => {
  registry.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

/** Without a registry nothing can be installed; where CI runs there is one, and it must answer. */
const online =
  process.env.CI !== undefined ||
  (await run('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=5000'], {
    shell: process.platform === 'win32',
  }).then(
    () => true,
    () => false,
  ))

describe.runIf(online).each(chosen)('examples/%s, copied to an empty folder', (name) => {
  it('installs and runs', async ({ signal }) => {
    const copy = join(folder, name)
    copyExample(name, copy)
    await npm(
      copy,
      signal,
      'install',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      // For all packages: the command line has no scope.
      `--registry=${registry.url}`,
    )
    expect(await printed(copy, PRINTS[name]!, signal)).toMatch(PRINTS[name]!)
  }, 1_200_000)
})
