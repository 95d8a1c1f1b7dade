import * as fc from '../../../support/fast-check.js'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { gfm } from 'micromark-extension-gfm'
import { describe, expect, it } from 'vitest'
import { markdownBlocks, readMarkdown } from '../../../../packages/cli/src/input/formats/markdown.js'

/** Each block with the headings above it. */
function blocksOf(text: string): [string, string | undefined][] {
  return markdownBlocks(text).map(({ start, end, heading }) => [text.slice(start, end), heading])
}
const headingOfLast = (text: string): string | undefined => markdownBlocks(text).at(-1)?.heading

describe('headings', () => {
  it.each([
    // A backtick fence has no backtick after it; a tilde fence may.
    ['# A\n\n``` a`b\n# B\n```\n\nx', 'B'],
    ['# A\n\n~~~ a`b~\n# B\n~~~\n\nx', 'A'],
    // Fences end where their list item or quotation does, or with the text.
    ['# A\n\n- ```\n  # no\n\n# B\n\nx', 'B'],
    ['# A\n\n> ```\n> # no\n\n# B\n\nx', 'B'],
    ['# A\n\n1. a\n\n   ```\n   # no\n\n   # no\n   ```\n\nx', 'A'],
    ['# A\n\n```\n# no\n\nx', 'A'],
    ['# A\n\n````\n```\n# no\n````\n\nx', 'A'],
    ['# A\n\n```\n# no\n``` js\n# no\n```\n\nx', 'A'],
    // HTML.
    ['# A\n\n<!--\n# no\n\n## no\n-->\n\nx', 'A'],
    ['# A\n\n<pre>\n# no\n\n# no\n</pre>\n\nx', 'A'],
    ['# A\n\n<script>\n# no\n\n# no\n</script>\n\nx', 'A'],
    ['# A\n\n<div>\n# no\n\n# B\n</div>\n\nx', 'B'],
    ['# A\n\n<?php\n# no\n\n# no ?>\n\nx', 'A'],
    ['# A\n\n<![CDATA[\n# no\n\n# no ]]>\n\nx', 'A'],
    // Code, rules, tables, lists, quotations.
    ['# A\n\n    # no\n\nx', 'A'],
    ['# A\n\ta\n\n\t# no\n\nx', 'A'],
    ['# A\n\na | b\n--- | ---\n1 | 2\n---\n\nx', 'A'],
    ['# A\n\n- # no\n\nx', 'A'],
    ['# A\n\n> # no\n\nx', 'A'],
    ['# A\n\n- - -\n\nx', 'A'],
    ['# A\n\n- a\n---\n\nx', 'A'],
    // Spellings.
    ['#A\n\n# B #\n\nx', 'B'],
    ['# A\n\n   ## B   ##  \nx', 'A › B'],
    ['# A\n\nB\nb\n---\nx', 'A › B b'],
    ['A\r\n===\r\n\r\nB\r\n---\r\nx', 'A › B'],
    ['A\r===\r\rB\r---\rx', 'A › B'],
    ['\ufeff# A\nx', 'A'],
    ['# \\# A &amp; **b** [c](d) `e` ![f](g) <br>\nx', '# A & b c e f'],
    ['# [1.0]\n\nx\n\n[1.0]: http://x', '1.0'],
    ['# A\0b\nx', 'A\ufffdb'],
    ['### C\n\n# A\n\n### B\nx', 'A › B'],
    ['#\n\n## B\nx', 'B'],
    [`# NAME${' '.repeat(1000)}DESCRIPTION\nx`, 'NAME DESCRIPTION'],
  ])('%j', (text, heading) => {
    expect(headingOfLast(text)).toBe(heading)
  })
})

describe('blocks', () => {
  it('are paragraphs, headings, and code and HTML with their blank lines', () => {
    expect(
      blocksOf(
        'a\nb\n\n# H\nc\n```\nd\n\ne\n```\nf\n\n- g\n\n  ```\n  h\n\n  i\n  ```\n\n    j\n\n<!-- k\n\nl -->\n\nm',
      ),
    ).toEqual([
      ['a\nb', undefined],
      ['# H', 'H'],
      ['c', 'H'],
      ['```\nd\n\ne\n```', 'H'],
      ['f', 'H'],
      ['- g', 'H'],
      ['```\n  h\n\n  i\n  ```', 'H'],
      ['j', 'H'],
      ['<!-- k\n\nl -->', 'H'],
      ['m', 'H'],
    ])
  })
})

describe('front matter', () => {
  it.each([
    ['---\ntitle: A # comment\n---\nx', 'A'],
    ['---\n# title: no\ntitle: A\n...\nx', 'A'],
    ['---\r\ntitle: "A \\u00e9"\r\n---\r\nx', 'A é'],
    ["\ufeff---\ntitle: 'it''s'\n---\nx", "it's"],
    ['---\ntitle: |\n  A\n  b\ntags:\n  - title: no\n---\nx', 'A b'],
    ['---\nname: [a, b]\ntitle: A\n---\nx', 'A'],
    ['---\ntitle: 1.10\n---\nx', '1.10'],
    ['---\ntitle: 2024-01-02\n---\nx', '2024-01-02'],
    ['---\ntitle: yes\n---\nx', 'yes'],
    ['---\ntitle: &a A\nother: *a\n---\nx', 'A'],
    ['---\n{ "title": "A", "tags": [] }\n---\nx', 'A'],
    ['---\ntitle: A: b\ndate: 1\n---\nx', 'A: b'],
    ['+++\ntitle = "A" # c\n[more]\ntitle = "no"\n+++\nx', 'A'],
    ['+++\ntitle = """\nA\nb"""\n+++\nx', 'A b'],
  ])('%j', (text, title) => {
    expect(readMarkdown(text).title).toBe(title)
    expect(blocksOf(text)).toEqual([['x', undefined]])
  })

  it.each([
    ['---\ntitle: ~\n---\n# H', 'H'],
    ['---\ntitle: null\n---\n# H', 'H'],
    ['---\ntitle:\n---\n# H', 'H'],
    ['---\ntitle: [a, b]\n---\n# H', 'H'],
    ['---\nother: x\n---\n# H', 'H'],
    ['+++\nother = 1\n+++\n# H', 'H'],
  ])('without a title leaves it to the first heading: %j', (text, title) => {
    expect(readMarkdown(text).title).toBe(title)
    expect(blocksOf(text)).toEqual([['# H', 'H']])
  })

  it.each([
    '---\n\nProse about storms.\n\n---\n\nMore.',
    '---\nThe keeper said: storms come.\n---\n\nMore.',
    '---\nThe keeper said: storms come.\n\nHe: was right: always.\n---\n\nMore.',
    '---\n- a\n- b\n---\n\nMore.',
    '---\n# Heading\n---\n\nMore.',
    '---\n---\n\nMore.',
    '---\ntitle: never closed\n\nMore.',
    ' ---\ntitle: indented\n---\n\nMore.',
    '+++\nno TOML\n+++\n\nMore.',
    'x\n\n---\ntitle: not at the start\n---\n\nMore.',
  ])('is not what stands between two rules: %j', (text) => {
    const kept = markdownBlocks(text).map(({ start, end }) => text.slice(start, end))
    expect(kept.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''))
  })
})

describe('odd texts', () => {
  const n = 50_000
  it.each([
    ['blanks in a heading', `# NAME${' '.repeat(1_000_000)}DESCRIPTION`],
    ['blanks after hashes', `# ${'# '.repeat(n)}x`],
    ['lists in lists on a line', `${'- '.repeat(n)}x`],
    ['quotations in quotations', `${'>'.repeat(n)}x\n`.repeat(3)],
    ['lists in quotations', `${'> - '.repeat(n)}x`],
    ['lists in lists on many lines', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(2 * i)}- x`).join('\n')],
    ['a quotation that goes on', `${'> '.repeat(30)}x\n${'y\n'.repeat(n)}`],
    ['short items', '- x\n'.repeat(n)],
    ['short headings', 'x\n---\n'.repeat(n)],
    ['brackets', `# ${'['.repeat(n)}\n\n${'[a\n'.repeat(n)}`],
    ['stars', `# ${'*a **b '.repeat(n)}`],
    ['backticks', `# ${'`a``b'.repeat(n)}`],
    ['open tags', '<a \n'.repeat(n)],
    ['open comments', '<!-- x\n\n'.repeat(n)],
    ['fences', '```\nx\n'.repeat(n)],
    ['definitions', '[a]: b "\n'.repeat(n)],
    ['a wide table', `${'|a'.repeat(2000)}|\n${'|-'.repeat(2000)}|\n${'|a|\n'.repeat(2000)}`],
    ['lists in front matter', `---\na: ${'['.repeat(n)}\n---\n`],
    ['mappings in front matter', `---\na: ${'{a: '.repeat(n)}\n---\n`],
    ['items in front matter', `---\na:\n${'- '.repeat(n)}x\n---\n`],
    ['keys in front matter', `---\na: 1\n${'? '.repeat(n)}x\n---\n`],
    ['depth in front matter', `---\n${Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:\n`).join('')}---\n`],
    ['tables in front matter', `+++\na = ${'['.repeat(n)}\n+++\n`],
  ])('lose nothing: %s', (_, text) => {
    const { blocks } = readMarkdown(text)
    const kept = blocks.map(({ start, end }) => text.slice(start, end)).join('')
    expect(kept.replace(/\s/g, '')).toHaveLength(text.replace(/\s/g, '').length)
  })
})

/** The line each heading of the document ends in, as another parser sees them. */
function headingsByMdast(text: string): number[] {
  const root = fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] })
  return root.children.filter(({ type }) => type === 'heading').map(({ position }) => position!.end.line)
}

describe('any text', () => {
  // Not among them, as the two parsers disagree there: a definition that runs into the line below, a closing tag alone.
  const line = fc.oneof(
    fc.constantFrom(
      '',
      '',
      '# H',
      '## I ##',
      '#',
      'H',
      '===',
      '---',
      '- - -',
      '***',
      '```',
      '``` js',
      '``` a`b',
      '~~~',
      '~~~~',
    ),
    fc.constantFrom(
      '- x',
      '  - y',
      '1. x',
      '> x',
      '>',
      '    code',
      '\tcode',
      '   z',
      '  ```',
      '- ```',
      '> ```',
      '- # no',
    ),
    fc.constantFrom(
      '<!--',
      '-->',
      '<pre>',
      'x</pre>',
      '<div>',
      '</div>',
      '<b>x</b>',
      '<script>',
      '<?',
      '| a | b |',
      '|---|---|',
    ),
    fc.constantFrom('[a', 'x\\', '`x', '&amp;', 'x\0', '# a\0', '\ufeff', 'é 東京 😀'),
    fc.string({ unit: 'grapheme', maxLength: 10 }),
  )

  it('has its headings where another parser finds them, and loses nothing but blanks', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 14 }), fc.constantFrom('\n', '\r\n', '\r'), (lines, lineEnd) => {
        // Front matter is not part of CommonMark.
        const text = `x${lineEnd}${lineEnd}${lines.join(lineEnd)}`
        const blocks = markdownBlocks(text)
        let position = 0
        for (const { start, end } of blocks) {
          expect(text.slice(position, start).trim()).toBe('')
          expect(text.slice(start, end).trim()).not.toBe('')
          position = end
        }
        expect(text.slice(position).trim()).toBe('')
        // Lines, as a heading may have nothing in it but what counts as blank here.
        const lineOf = (offset: number): number => text.slice(0, offset).split(/\r\n?|\n/).length
        const found = blocks.filter(({ isHeading }) => isHeading).map(({ end }) => lineOf(end))
        expect(found).toEqual(headingsByMdast(text))
      }),
      { numRuns: 400 },
    )
  })
})
