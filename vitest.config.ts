import { defineConfig } from 'vitest/config'
import { pageFiles } from './packages/server/page.plugin.ts'

export default defineConfig({
  plugins: [pageFiles()],
  test: {
    include: ['test/**/*.test.{ts,mjs}'],
    // `npm run fuzz` runs many times as many cases.
    testTimeout: process.env['SEROTINE_FUZZ'] ? 1_800_000 : 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // Two cores that a browser and a server share need more than a second now and then.
    expect: { poll: { timeout: 15_000 } },
    pool: 'forks',
  },
})
