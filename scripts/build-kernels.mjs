// Compiles the AssemblyScript kernels and writes them, as base64, into the TypeScript file that the library imports:
// a bundler has nothing to copy and a user nothing to load. `pnpm kernels` after every change of an .as.ts file.
import { readFile, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { main as compile } from 'assemblyscript/asc'

const FOLDER = new URL('../packages/core/src/math/assembly/', import.meta.url)
export const TARGET = new URL('../packages/core/src/math/simd-bytes.ts', import.meta.url)

/** The text of simd-bytes.ts for the kernels as they are in the source files. */
export async function buildKernels() {
  let binary
  const { error, stderr } = await compile(
    [
      'kernels.as.ts',
      '--outFile',
      'kernels.wasm',
      '--optimizeLevel',
      '3',
      '--shrinkLevel',
      '0',
      '--converge',
      '--noAssert',
      '--runtime',
      'stub',
      '--enable',
      'simd',
      '--enable',
      'bulk-memory',
      '--initialMemory',
      '1',
      '--maximumMemory',
      '65536',
      '--memoryBase',
      '16',
      '--use',
      'abort=',
    ],
    {
      // Only our own files: the compiler's library is built in.
      readFile: (name) => (/^\w+\.as\.ts$/.test(name) ? readFile(new URL(name, FOLDER), 'utf8') : null),
      writeFile: (name, contents) => {
        if (name === 'kernels.wasm') binary = contents
      },
      listFiles: () => [],
    },
  )
  if (error) throw new Error(`AssemblyScript: ${error.message}\n${stderr.toString()}`)
  const base64 = Buffer.from(binary).toString('base64')
  const lines = base64.match(/.{1,120}/g).map((line) => `  '${line}',`)
  return [
    `// Generated from the .as.ts files by scripts/build-kernels.mjs (${binary.length} bytes). Do not edit.`,
    'export const SIMD_BYTES = [',
    ...lines,
    "].join('')",
    '',
  ].join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await writeFile(TARGET, await buildKernels())
