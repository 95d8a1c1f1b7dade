// What a serverless function gets: the packed packages installed, the files that a tracer finds copied elsewhere, and run there.
import { execFile } from 'node:child_process'
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { nodeFileTrace } from '@vercel/nft'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
// @ts-expect-error a script without types
import { environment } from '../../bench/environment.mjs'
import { foreignRuntimes, ownRuntime, packAll, root } from './packed.js'
import { serveRegistry } from './registry.js'
import type { Registry } from './registry.js'

const hasNative =
  process.platform === 'linux' && lstatSync(join(root, 'packages', ownRuntime), { throwIfNoEntry: false })

/** What was measured, for docs/deployment.md: `SEROTINE_DEPLOYMENT_RESULT=bench/results/deployment.json npx vitest run test/install/deployment.test.ts` */
const resultFile = process.env.SEROTINE_DEPLOYMENT_RESULT
const rows: object[] = []

let scratch: string
let registry: Registry
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'serotine-deployment-'))
  registry = await serveRegistry(packAll(join(scratch, 'tarballs')).values(), foreignRuntimes())
}, 240_000)
afterAll(async () => {
  registry?.close()
  rmSync(scratch, { recursive: true, force: true })
  if (!resultFile) return
  const command =
    'SEROTINE_DEPLOYMENT_RESULT=bench/results/deployment.json npx vitest run test/install/deployment.test.ts'
  const result = { kind: 'deployment', ...(await environment()), command, rows }
  writeFileSync(resultFile, `${JSON.stringify(result, undefined, 2)}\n`)
})

const SEARCH = `
const model = await ColBERT.load()
const index = await MultiVectorIndex.open(undefined, { model })
await index.upsert([{ id: 'kiwi', text: 'A kiwi is a bird that cannot fly.' }, { id: 'tern', text: 'Terns fly far.' }])
const [hit] = await index.search('flightless birds')
console.log(JSON.stringify({ hit: hit.id, runtime: model.runtime }))
process.exit(0)
`

interface Deployed {
  readonly packages: readonly string[]
  readonly program: string
  readonly flags?: readonly string[]
  readonly runtime: 'native' | 'wasm'
}

const run = (command: string, args: readonly string[], cwd: string) =>
  promisify(execFile)(command, [...args], { cwd, env: { ...process.env, NODE_PATH: '' } })

async function deploy(name: string, { packages, program, flags = [], runtime }: Deployed): Promise<void> {
  const [app, away] = [join(scratch, name), join(scratch, `${name}-deployed`)]
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', type: 'module' }))
  writeFileSync(join(app, 'main.js'), `import { ColBERT, MultiVectorIndex } from '@serotine/core'\n${program}${SEARCH}`)
  await run('npm', ['install', '--registry', registry.url, ...flags, ...packages], app)
  const { fileList } = await nodeFileTrace([join(app, 'main.js')], { base: app })
  let [bytes, compressed] = [0, 0]
  for (const path of fileList) {
    const file = join(app, path)
    if (!lstatSync(file).isFile()) continue
    mkdirSync(dirname(join(away, path)), { recursive: true })
    cpSync(file, join(away, path))
    bytes += lstatSync(file).size
    compressed += gzipSync(readFileSync(file)).length
  }
  rmSync(app, { recursive: true })
  const started = performance.now()
  const { stdout } = await run(process.execPath, ['main.js'], away)
  const seconds = (performance.now() - started) / 1000
  expect(JSON.parse(stdout)).toEqual({ hit: 'kiwi', runtime })
  rows.push({ packages, runtime, files: fileList.size, bytes, compressed, firstHitSeconds: seconds })
}

describe.runIf(hasNative)('what a file tracer takes along', () => {
  it(
    'of @serotine/core runs alone, with the native library',
    () => deploy('core', { packages: ['@serotine/core'], program: '', runtime: 'native' }),
    240_000,
  )

  describe.runIf(resultFile)('of others', () => {
    it(
      'core without optional dependencies',
      () => deploy('wasm', { packages: ['@serotine/core'], flags: ['--omit=optional'], program: '', runtime: 'wasm' }),
      240_000,
    )

    it.each([
      [
        'langchain',
        ['@serotine/langchain', '@serotine/core', '@langchain/core'],
        'ColBERTRetriever',
        '@serotine/langchain',
      ],
      ['ai-sdk', ['@serotine/ai-sdk', '@serotine/core', 'ai@6'], 'colbertReranker', '@serotine/ai-sdk'],
      ['server', ['@serotine/server', '@serotine/core'], 'createServer', '@serotine/server'],
    ])(
      '%s',
      (name, packages, imported, from) => {
        const program = `import { ${imported} } from '${from}'\nif (typeof ${imported} !== 'function') throw new Error()\n`
        return deploy(name, { packages, program, runtime: 'native' })
      },
      240_000,
    )
  })
})
