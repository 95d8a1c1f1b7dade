import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('reranks what the vector index found', () => {
  const output = execFileSync(
    process.execPath,
    [fileURLToPath(new URL('../../examples/llamaindex-query/query.mjs', import.meta.url))],
    {
      encoding: 'utf8',
    },
  )
  const lines = output.trim().split('\n')
  expect(lines).toHaveLength(3)
  expect(
    lines
      .slice(1)
      .map((line) => line.split('  ').at(-1))
      .sort(),
  ).toEqual(['emu', 'kiwi'])
  expect(lines[1]).toMatch(/^ {2}0\.\d{3} {2}\(first stage -?\d+\.\d{3}\)/)
})
