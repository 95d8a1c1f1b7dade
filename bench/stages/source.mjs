// The stages and the parts of core they use, from source: what is measured is what the sources say now.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'tsdown'

const core = fileURLToPath(new URL('../../packages/core/', import.meta.url))

export async function bundledStages() {
  // Inside the package, so that its imports resolve; one folder a process, as two may run at once.
  const folder = join(core, 'node_modules/.cache', `serotine-stages-${process.pid}`)
  try {
    await build({
      cwd: core,
      config: false,
      entry: { stages: fileURLToPath(new URL('index.ts', import.meta.url)) },
      outDir: folder,
      format: 'esm',
      outExtensions: () => ({ js: '.mjs' }),
      dts: false,
      logLevel: 'silent',
      platform: 'node',
    })
    return await import(pathToFileURL(join(folder, 'stages.mjs')).href)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
