import { rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'

/** Bundles a TypeScript program for a process of its own. `remove` when done. */
export async function childProgram(source: URL): Promise<{ readonly path: string; remove(): void }> {
  const core = fileURLToPath(new URL('../../packages/core/', import.meta.url))
  const entry = fileURLToPath(source)
  const name = basename(entry, '.ts')
  const outDir = join(core, `node_modules/.cache/serotine-test/${name}-${process.pid}`)
  await build({
    cwd: core,
    config: false,
    entry: { [name]: entry },
    outDir,
    format: 'esm',
    target: 'es2022',
    platform: 'node',
    dts: false,
    logLevel: 'silent',
    fixedExtension: true,
  })
  return { path: join(outDir, `${name}.mjs`), remove: () => rmSync(outDir, { recursive: true, force: true }) }
}
