// The index from source: what is measured is what the sources say now, built or not.
import { mkdtemp, mkdir } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'tsdown'

const core = fileURLToPath(new URL('../../packages/core/', import.meta.url))

export async function indexFromSource() {
  // Inside the package, so that its imports resolve.
  const cache = join(core, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'serotine-large-'))
  // Until the end: files of it may be loaded when something is built.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  await build({
    cwd: core,
    config: false,
    entry: { index: join(core, 'src/index/multi-vector-index.ts') },
    outDir: folder,
    format: 'esm',
    outExtensions: () => ({ js: '.mjs' }),
    dts: false,
    logLevel: 'silent',
    platform: 'node',
  })
  return import(pathToFileURL(join(folder, 'index.mjs')).href)
}
