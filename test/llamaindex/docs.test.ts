import { expect, it } from 'vitest'
import { documentedProgram } from '../contract/documented.js'

it('the program of docs/llamaindex.md prints what the page says', () => {
  const { says, prints } = documentedProgram('llamaindex.md')
  expect(prints).toBe(says)
})
