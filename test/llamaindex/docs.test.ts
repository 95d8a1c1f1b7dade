import { expect, it } from 'vitest'
import { documentedProgram } from '../contract/documented.js'

it.each(['docs/llamaindex.md', 'packages/llamaindex/README.md'])(
  'the program of %s prints what the page says',
  (page) => {
    const { says, prints } = documentedProgram(page)
    expect(prints).toBe(says)
  },
)
