import { expect, it } from 'vitest'
import { readPage } from './pages.js'

it('the first screen of README.md says what it is, how to run it, how good it is and what it is not for', () => {
  const screen = readPage('README.md').split('\n').slice(0, 40).join('\n')
  expect(screen).toMatch(/^# Serotine\n\n\*\*.*\*\*/)
  expect(screen).toMatch(/```sh\nnpx serotine index/)
  expect(screen).toMatch(/```ts\nimport .* from '@serotine\/core'\n/)
  expect(screen).toMatch(/\| exact MaxSim/)
  expect(screen).toMatch(/\*\*Not for:\*\*.*\n.*\n/)
})
