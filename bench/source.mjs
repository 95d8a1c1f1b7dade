// Modules from source, for benches: what is measured is what the sources say now, built or not, exported by the package or not.
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'tsdown'

const core = fileURLToPath(new URL('../packages/core/', import.meta.url))

/** @param entry URL of a TypeScript file @returns what it exports */
export async function importSource(entry) {
  // Inside the package, so that its imports resolve; a folder for each call, as two may run at once.
  const cache = join(core, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'serotine-bench-'))
  // Only at the end: files of it may be loaded when something is built.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  await build({
    cwd: core,
    config: false,
    entry: { index: fileURLToPath(entry) },
    outDir: folder,
    format: 'esm',
    outExtensions: () => ({ js: '.mjs' }),
    dts: false,
    logLevel: 'silent',
    platform: 'node',
  })
  return import(pathToFileURL(join(folder, 'index.mjs')).href)
}

/** The index and what it needs of core. */
export function indexFromSource() {
  return importSource(new URL('../packages/core/src/index/multi-vector-index.ts', import.meta.url))
}
