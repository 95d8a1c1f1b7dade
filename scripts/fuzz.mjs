// Runs the property tests with 20 times as many cases, random ones. `npm test` has the same cases each time.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { startVitest } from 'vitest/node'

process.env.SEROTINE_FUZZ ??= '20'
const tests = readdirSync('test', { recursive: true })
  .map((name) => join('test', name))
  .filter((path) => path.endsWith('.test.ts') && readFileSync(path, 'utf8').includes('/fast-check.js'))
await startVitest('test', tests, { watch: false })
