import { expect, it } from 'vitest'
import { documentedProgram } from '../contract/documented.js'

it('the program of docs/ai-sdk.md prints what the page says', () => {
  const { says, prints } = documentedProgram('ai-sdk.md')
  expect(prints).toBe(says)
})
