// Runs the tests that look for rare faults for as long as it takes. `npm test` does a part of each.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { startVitest } from 'vitest/node'

process.env.SEROTINE_LONG ??= '1'
const tests = readdirSync('test', { recursive: true })
  .map((name) => join('test', name))
  .filter((path) => path.endsWith('.test.ts') && readFileSync(path, 'utf8').includes('/long.js'))
await startVitest('test', tests, { watch: false, reporters: ['verbose'] })
