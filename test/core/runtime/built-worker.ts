import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'

/**
 * Compiles the worker entry, which runs in a thread of its own where vitest transforms nothing, and returns its URL.
 * It lies inside the core package so that its imports resolve as in an installation.
 */
export async function builtWorker(name: string): Promise<URL> {
  const core = new URL('../../../packages/core/', import.meta.url)
  const folder = new URL(`node_modules/.cache/serotine-test/${name}/`, core)
  await build({
    cwd: fileURLToPath(core),
    config: false,
    entry: { worker: fileURLToPath(new URL('src/runtime/worker.ts', core)) },
    outDir: fileURLToPath(folder),
    format: 'esm',
    target: 'es2022',
    platform: 'node',
    fixedExtension: false,
    dts: false,
    logLevel: 'silent',
  })
  return new URL('worker.js', folder)
}
