import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('puts the fitting product first', () => {
  const output = execFileSync(
    process.execPath,
    [fileURLToPath(new URL('../../examples/ai-sdk-rerank/rerank.mjs', import.meta.url))],
    {
      encoding: 'utf8',
    },
  )
  const lines = output.trim().split('\n')
  expect(lines).toHaveLength(2)
  expect(lines[0]).toMatch(/^0\.\d{3} {2}0 {2}Rain jacket$/)
})
