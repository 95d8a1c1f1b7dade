import { expect, it } from 'vitest'
import { documentedProgram } from '../contract/documented.js'

it('the program of docs/langchain.md prints what the page says', () => {
  const { says, prints } = documentedProgram('langchain.md')
  expect(prints).toBe(says)
})
