import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { defineConfig } from 'tsdown'
import type { UserConfig } from 'tsdown'

/**
 * ONNX Runtime's WebAssembly, 14 of the 148 MB of its package: the library's code is bundled, this lies next to it.
 * Compressed, because it is a quarter of the size, and because bundlers take a `.wasm` for a module and change it.
 */
function packWebAssembly(): void {
  const found = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm')
  const packed = gzipSync(readFileSync(found), { level: 9 })
  writeFileSync(new URL('dist/ort-wasm-simd-threaded.wasm.gz', import.meta.url), packed)
}

/** Source maps of the stemmers, which are generated code, would be larger than they are. */
function dropMapsOfStemmers(): void {
  const dist = new URL('dist/', import.meta.url)
  for (const name of readdirSync(dist).filter((file) => /\.c?js$/.test(file))) {
    const code = readFileSync(new URL(name, dist), 'utf8')
    if (!/^\/\/#region \S*node_modules\/(@orama\/stemmers|stemmer)\//m.test(code)) continue
    writeFileSync(new URL(name, dist), code.replace(/^\/\/# sourceMappingURL=.*\n?/m, ''))
    // Called once for each format.
    rmSync(new URL(`${name}.map`, dist), { force: true })
  }
}

/**
 * onnxruntime-web looks for files beside itself that we do not ship, and bundlers that see it do so fail to find them;
 * in Deno's workers it trips over `location`. We hand it the WebAssembly and run it on one thread, so it needs neither.
 */
const OWN_FILES: readonly (readonly [RegExp, string])[] = [
  [/\bimport\.meta\.url\b/g, '"file:///onnxruntime-web.mjs"'],
  [/typeof location\s*>\s*"u"\s*\?\s*void 0\s*:\s*location\.origin/g, 'void 0'],
  [/typeof require\s*<\s*"u"/g, 'false'],
]
const withoutOwnFiles = {
  name: 'onnxruntime-web-without-own-files',
  transform: {
    filter: { id: /onnxruntime-web.*\.mjs$/ },
    handler: (code: string): string =>
      OWN_FILES.reduce((text, [pattern, replacement]) => {
        const replaced = text.replace(pattern, replacement)
        if (replaced === text) throw new Error(`onnxruntime-web has no ${pattern} any more: see what it does now.`)
        return replaced
      }, code),
  },
}

const shared: UserConfig = {
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'node',
  sourcemap: true,
  plugins: [withoutOwnFiles],
  fixedExtension: false,
}

export default defineConfig([
  {
    ...shared,
    entry: {
      index: 'src/index.ts',
      store: 'src/entries/store.ts',
      muvera: 'src/entries/muvera.ts',
      scoring: 'src/entries/scoring.ts',
      highlight: 'src/entries/highlight.ts',
      checkpoint: 'src/entries/checkpoint.ts',
      options: 'src/entries/options.ts',
      evaluation: 'src/evaluation/index.ts',
    },
    dts: true,
    clean: true,
    hooks: {
      'build:done': () => {
        packWebAssembly()
        dropMapsOfStemmers()
      },
    },
  },
  // One file without shared chunks, so that it can be copied anywhere; `.mjs`, so that it is a module there too.
  {
    ...shared,
    entry: { worker: 'src/runtime/worker.ts' },
    format: 'esm',
    outExtensions: () => ({ js: '.mjs' }),
    dts: false,
    clean: false,
    outputOptions: { codeSplitting: false },
  },
])
