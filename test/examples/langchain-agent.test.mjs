import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('answers from what it found and keeps the sources', () => {
  const output = execFileSync(
    process.execPath,
    [fileURLToPath(new URL('../../examples/langchain-agent/agent.mjs', import.meta.url))],
    {
      encoding: 'utf8',
    },
  )
  expect(output).toMatch(/Answer {4}The Arctic tern migrates .* \[1\]/)
  expect(output).toMatch(/\[1\] {7}tern\.md {2}0\.\d{3}/)
  expect(output).toMatch(/\[2\] {7}\w+\.md/)
})
