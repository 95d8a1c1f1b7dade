// Every name in backticks, in pages and in comments of the sources, is one that exists.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FOREIGN_NAMES } from './foreign-names.js'
import {
  exampleNames,
  filesBelow,
  namesIn,
  publishedNames,
  servedNames,
  sourceNames,
  spansOfComments,
  spansOfPage,
} from './names.js'
import type { Span } from './names.js'
import { pages, readPage, ROOT } from './pages.js'

/** Pages for those who change the code may name what is inside it. */
const FOR_CONTRIBUTORS = ['ARCHITECTURE.md', 'CONTRIBUTING.md']

const served = await servedNames()
const published = new Set([...publishedNames(), ...served])
const source = sourceNames()
const foreign = new Set(Object.values(FOREIGN_NAMES).flatMap((words) => words.split(' ')))
const used = new Set<string>()

/** The words of a span that name nothing. */
function unknown(span: Span, known: ReadonlySet<string>): string[] {
  return namesIn(span)
    .filter((word) => !known.has(word))
    .filter((word) => {
      if (foreign.has(word)) used.add(word)
      return !foreign.has(word)
    })
    .map((word) => `${span.file}:${span.line} \`${span.text}\`: ${word}`)
}

describe('names in backticks', () => {
  it.each(pages())('of %s exist', (page) => {
    const [example] = /^examples\/[^/]+/.exec(page) ?? []
    // Whoever copies an example reads its code.
    const own = example === undefined ? [] : exampleNames(example)
    const known = FOR_CONTRIBUTORS.includes(page) ? source : new Set([...published, ...own])
    expect(spansOfPage(page, readPage(page)).flatMap((span) => unknown(span, known))).toEqual([])
  })

  it('of comments in the sources exist', () => {
    const files = filesBelow('packages', /^packages\/[^/]+\/src\/.*\.ts$/)
    expect(files.length).toBeGreaterThan(100)
    const spans = files.flatMap((file) => spansOfComments(file, readFileSync(join(ROOT, file), 'utf8')))
    expect(spans.length).toBeGreaterThan(300)
    expect(spans.flatMap((span) => unknown(span, source))).toEqual([])
  })

  it('of changesets exist, and the packages they are about', () => {
    for (const file of filesBelow('.changeset', /\.md$/)) {
      const text = readFileSync(join(ROOT, file), 'utf8')
      const packages = Array.from(text.split('---')[1]!.matchAll(/^'(.+)': /gm), ([, name]) => name!)
      expect(
        packages.filter((name) => !published.has(name) || !/serotine/.test(name)),
        file,
      ).toEqual([])
      expect(spansOfPage(file, text).flatMap((span) => unknown(span, published))).toEqual([])
    }
  })

  it('of others are still used where they are listed', () => {
    expect([...foreign].filter((word) => !used.has(word))).toEqual([])
  })
})

describe('the check of names', () => {
  it('knows fields and paths of the server', () => {
    expect([...served]).toEqual(
      expect.arrayContaining(['relevance_score', 'top_n', 'raw_scores', 'v2', 'POST', 'ready']),
    )
    expect(served.has('relevance')).toBe(false)
  })

  const wrong = (text: string) =>
    spansOfPage('docs/a.md', text).flatMap((span) =>
      unknown(span, published).map((problem) => problem.split(': ').at(-1)),
    )

  it('finds names that were made up', () => {
    expect(wrong('Call `model.rerankAll(texts)`.')).toEqual(['rerankAll'])
    expect(wrong('The option `tokenBudget`.')).toEqual(['tokenBudget'])
    expect(wrong('`fuse` ranked lists')).toEqual(['fuse'])
    expect(wrong('The error `INDEX_BROKEN`, the flag `--keep-all`.')).toEqual(['INDEX_BROKEN', '--keep-all'])
    expect(wrong('`docs/nothing.md`, `node bench/nothing.mjs`')).toEqual(['docs/nothing.md', 'bench/nothing.mjs'])
    expect(wrong('`@serotine/haystack`')).toEqual(['@serotine/haystack'])
    expect(
      spansOfComments('a.ts', "const a = '`b`' // see `noSuchHelper`\n").flatMap((span) => unknown(span, source)),
    ).toEqual(['a.ts:1 `noSuchHelper`: noSuchHelper'])
  })

  it('knows names, flags, errors, files and packages that exist', () => {
    expect(
      wrong('`ColBERT.load(id, { queryLength })`, `--no-prune`, `INDEX_LOCKED`, `evaluation.md`, `@serotine/core`'),
    ).toEqual([])
  })

  it('looks at prose only: not at blocks, nor at comments of the page', () => {
    expect(wrong('```ts\n`noSuch`\n```\n<!-- before this block:\n`noSuch`\n-->\n')).toEqual([])
  })
})
