import { defineConfig } from 'tsdown'
import { pageFiles } from './page.plugin.ts'

export default defineConfig({
  entry: { index: 'src/index.ts', mcp: 'src/mcp/index.ts' },
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'node',
  plugins: [pageFiles()],
  dts: true,
  sourcemap: true,
  fixedExtension: false,
  clean: true,
})
