import { defineConfig } from 'tsdown'

export default defineConfig({
  entry: { index: 'src/index.ts', evaluation: 'src/evaluation/index.ts', worker: 'src/runtime/worker.ts' },
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'node',
  dts: true,
  shims: true,
  sourcemap: true,
  fixedExtension: false,
  clean: true,
})
