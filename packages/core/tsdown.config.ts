import { copyFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'tsdown'
import type { UserConfig } from 'tsdown'

const shared: UserConfig = {
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'node',
  shims: true,
  sourcemap: true,
  fixedExtension: false,
}

/** ONNX Runtime's WebAssembly, 14 of the 148 MB of its package: the library's code is bundled, this lies next to it. */
function copyWebAssembly(): void {
  const found = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm')
  copyFileSync(found, fileURLToPath(new URL('dist/ort-wasm-simd-threaded.wasm', import.meta.url)))
}

export default defineConfig([
  {
    ...shared,
    entry: { index: 'src/index.ts', evaluation: 'src/evaluation/index.ts' },
    dts: true,
    clean: true,
    hooks: { 'build:done': copyWebAssembly },
  },
  // One file without shared chunks, so that it can be copied to where a bundler wants it.
  {
    ...shared,
    entry: { worker: 'src/runtime/worker.ts' },
    dts: false,
    clean: false,
    outputOptions: { codeSplitting: false },
  },
])
