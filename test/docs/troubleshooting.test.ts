// Every code that the library can give has its entry, and every entry is of a code.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readPage, ROOT } from './pages.js'

const source = readFileSync(join(ROOT, 'packages/core/src/errors.ts'), 'utf8')
const page = readPage('docs/troubleshooting.md')

/** The names in a union of the sources, up to what follows it. */
function codesOf(from: string, to: string): string[] {
  const union = source.slice(source.indexOf(from), source.indexOf(to, source.indexOf(from)))
  return Array.from(union.matchAll(/\| '([A-Z0-9_]+)'/g), ([, code]) => code!)
}

function entriesOf(heading: string): string[] {
  const section = page.slice(page.indexOf(`## ${heading}\n`)).split(/\n## /)[0]!
  return Array.from(section.matchAll(/^\| `([A-Z0-9_]+)` \|/gm), ([, code]) => code!)
}

test('errors, in the order of the sources', () => {
  const codes = codesOf('export type ErrorCode', 'const BRAND')
  expect(codes.length).toBeGreaterThan(20)
  expect(entriesOf('Errors')).toEqual(codes)
})

test('warnings, in the order of the sources', () => {
  const codes = codesOf('export interface Warning', 'readonly message')
  expect(codes.length).toBeGreaterThan(10)
  expect(entriesOf('Warnings')).toEqual(codes)
})
