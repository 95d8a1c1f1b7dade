import { defineConfig } from 'tsdown'

export default defineConfig({
  // The command is run, never required: built as CommonJS too, it would share code with the library and start with it.
  format: {
    esm: { entry: { index: 'src/index.ts', cli: 'src/cli.ts' } },
    cjs: { entry: { index: 'src/index.ts' } },
  },
  target: 'es2022',
  platform: 'node',
  dts: true,
  shims: true,
  sourcemap: true,
  fixedExtension: false,
  clean: true,
})
