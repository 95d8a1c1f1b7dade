import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('finds, filters, refuses, cites and stops', () => {
  const output = execFileSync(
    process.execPath,
    [fileURLToPath(new URL('../../examples/langchain-retriever/retriever.mjs', import.meta.url))],
    {
      encoding: 'utf8',
    },
  )
  const [abroad, stolen, final, prompt, stopped] = output.split(/\n\n(?=…|Human:|Aborted)/)
  expect(abroad).toMatch(/remote\.md#1 {2}Working from another country/)
  expect(stolen).toMatch(/\n {2}0\.\d{3} {2}security\.md#4 {2}Report a lost laptop/)
  expect(final).toMatch(/nothing found/)
  expect(prompt).toMatch(/\[1\] .*flights do\. \(expenses\.md\)/)
  expect(stopped).toMatch(/Aborted: AbortError/)
})
