import * as fc from '../../../support/fast-check.js'
import { describe, expect, it } from 'vitest'
import { readHtml, readHtmlText } from '../../../../packages/cli/src/input/formats/html.js'

const shown = (html: string): string => readHtmlText(html).text.trim()
const titleOf = (html: string): string | undefined => readHtmlText(html).title

describe('the words of a page', () => {
  it.each([
    // Blocks.
    ['<li>a<li>b', '- a\n- b'],
    ['a<address>b</address>c', 'a\nb\nc'],
    ['a<center>b</center>c<dialog open>d</dialog>e', 'a\nb\nc\nd\ne'],
    ['<dir><li>a</li><li>b</li></dir>', '- a\n- b'],
    ['<search>a</search><hgroup><p>b</p></hgroup><main>c</main>d', 'a\n\nb\n\nc\nd'],
    ['a<hr>b', 'a\n\nb'],
    ['a<br>b<br><br>c', 'a\nb\n\nc'],
    ['<p>a<p>b', 'a\n\nb'],
    ['<details><summary>a</summary>b</details>', 'a\nb'],
    ['<ol start=3><li>a<li value=7>b<li>c</ol>', '3. a\n7. b\n8. c'],
    ['<ol reversed><li>a<li>b</ol>', '2. a\n1. b'],
    ['<ul><li>a<ul><li>b</ul><li>c</ul>', '- a\n  - b\n- c'],
    // Tables.
    ['<table><tr><td>a<td>b<tr><td>c<td>d</table>', 'a\tb\nc\td'],
    ['<table><tr><td></td><td>b</td></tr></table>', 'b'],
    ['<table><tr><td><p>a</p></td><td><p>b</p><p>c</p></td></tr></table>', 'a\tb\n\nc'],
    ['<table><tr><td>a<td><table><tr><td>b<td>c<tr><td>d</table><td>e</table>', 'a\tb\tc\nd\te'],
    ['<table><caption>a</caption><thead><tr><th>b</thead><tbody><tr><td>c</table>d', 'a\nb\nc\n\nd'],
    ['<table><tr><td colspan=1000000 rowspan=1000000>a</td><td>b</td></tr></table>', 'a\tb'],
    // Controls, pictures.
    ['a<button>b</button>c', 'a b c'],
    [
      'a<input value=b>c<input type=hidden value=no><input type=password value=no><input type=submit value=d>',
      'a b c d',
    ],
    ['a<textarea>b\n c</textarea>d', 'a\nb\n c\nd'],
    ['<select><optgroup label=a><option>b<option label=c>no</optgroup></select>', 'a\nb\nc'],
    ['a<img alt="b &amp; c" src=x>d<img>e', 'a b & c d e'],
    ['<input type=image alt=go>', 'go'],
    ['<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>', '漢 kan'],
    // Not shown.
    ['<p>a<p hidden>b<p>c', 'a\n\nc'],
    ['a<span hidden=until-found>b</span>', 'ab'],
    ['a<span style="color: red; DISPLAY : none">b</span><span style="display:block">c</span>', 'ac'],
    ['a<template>b</template><noscript>c</noscript><script>d</script><style>e</style>', 'a'],
    ['<div><template shadowrootmode=open>a</template></div>', 'a'],
    ['a<iframe>b</iframe><video>c</video><audio>d</audio><canvas>e</canvas><datalist><option>f</datalist>', 'a'],
    ['a<object>b</object>', 'a b'],
    ['a<!-- b -->c<![CDATA[ d ]]>', 'ac'],
    ['<nav>Home</nav>a', 'a'],
    ['<nav><a>Home</a></nav>', 'Home'],
    // Drawings and formulas.
    ['<svg><title>a</title><desc>b</desc><style>c</style>d<g><text>e</text><text>f</text></g></svg>', 'e f'],
    ['<svg><foreignObject><p>a</p></foreignObject></svg>', 'a'],
    ['<math><mi>x</mi><mo>=</mo><mn>2</mn><annotation>no</annotation></math>', 'x=2'],
    // Blanks.
    ['  a\n\tb  <b> c</b> d', 'a b c d'],
    ['a&nbsp;&nbsp;b', 'a\u00a0\u00a0b'],
    ['<p>&nbsp;</p>a', 'a'],
    ['<pre>a\n  b\n\n\tc\n</pre>d', 'a\n  b\n\n\tc\n\nd'],
    ['<b>a</b><i>b</i>', 'ab'],
    ['a\r\nb', 'a b'],
    // Headings.
    ['<h2>a<br>b</h2>c', '## a b\n\nc'],
    ['<h1></h1>a', 'a'],
    ['<h1><div><h2>a</h2>b</div></h1>', '# a b'],
    // Not Markdown.
    ['<p># a</p><p>```</p><p>b</p>', '# a\n\n```\n\nb'],
  ])('%s', (html, text) => {
    expect(shown(html)).toBe(text)
  })

  it('are in blocks with their headings, and hashes are no headings', () => {
    const { text, blocks } = readHtmlText('<h1>A</h1><p># no</p><h3>C</h3>c<h2> B  b</h2><pre>x\n\ny</pre>')
    expect(blocks.map(({ start, end, heading, isHeading }) => [text.slice(start, end), heading, isHeading])).toEqual([
      ['# A', 'A', true],
      ['# no', 'A', false],
      ['### C', 'A › C', true],
      ['c', 'A › C', false],
      ['## B b', 'A › B b', true],
      ['x\n\ny', 'A › B b', false],
    ])
  })
})

describe('the title of a page', () => {
  it.each([
    ['<title> A\n &lt;b> </title>', 'A <b>'],
    ['<!-- <title>no</title> --><title>A</title>', 'A'],
    ['<script>"<title>no</title>"</script><title>A</title>', 'A'],
    ['<body><svg><title>no</title></svg><p>x<title>A</title>', 'A'],
    ['<title>A</title><title>B</title>', 'A'],
    ['<template><title>no</title></template>', undefined],
    ['<title></title><h1>x</h1>', undefined],
  ])('%s', (html, title) => {
    expect(titleOf(html)).toBe(title)
  })
})

describe('the encoding of a page', () => {
  const page = (head: string, bytes: readonly number[]): Buffer =>
    Buffer.concat([Buffer.from(head), Buffer.from(bytes)])
  const filler = `<!-- ${'x'.repeat(1100)} -->`

  it.each([
    ['<meta charset=shift_jis>', [0x93, 0x8c, 0x8b, 0x9e], '東京'],
    ['<meta charset="latin1">', [0x93, 0x41, 0x94], '“A”'],
    ['<META HTTP-EQUIV=content-type content="text/html; charset=koi8-r">', [0xcd, 0xc9, 0xd2], 'мир'],
    ['<!-- <meta charset=koi8-r> --><meta charset=gb18030>', [0xd6, 0xd0], '中'],
    ['<meta charset=utf-16>', [0xc3, 0xa9], 'é'],
    ['<meta charset=x-user-defined>', [0x41, 0x93], 'A“'],
    ['<?xml version="1.0" encoding="iso-8859-2"?>', [0xb1], 'ą'],
    [`${filler}<meta charset=windows-1251>`, [0xec, 0xe8, 0xf0], 'мир'],
    ['<meta charset=iso-2022-jp>', [0x1b, 0x24, 0x42, 0x45, 0x6c, 0x35, 0x7e, 0x1b, 0x28, 0x42], '東京'],
    ['\ufeff<meta charset=koi8-r>', [0xc3, 0xa9], 'é'],
    ['<meta charset=nonsense>', [0xc3, 0xa9], 'é'],
    ['', [0xc3, 0xa9], 'é'],
  ])('%s', (head, bytes, text) => {
    const read = readHtml(page(head, bytes))
    expect(read.text).toBe(text)
    expect(read.replaced).toBe(false)
  })

  it('is UTF-8 when nothing says otherwise, and bytes that are not are told of', () => {
    expect(readHtml(page('caf', [0xe9]))).toMatchObject({ text: 'caf\ufffd', replaced: true })
    expect(readHtml(page('<meta charset=utf-8>caf', [0xe9]))).toMatchObject({ text: 'caf\ufffd', replaced: true })
  })

  it('is UTF-16 after its mark', () => {
    expect(readHtml(Buffer.from('\ufeff<p>Æther 😀', 'utf16le'))).toMatchObject({ text: 'Æther 😀', replaced: false })
  })
})

describe('places in the HTML', () => {
  const places = (html: string): [string, string][] => {
    const { text, blocks, source } = readHtmlText(html)
    return blocks.map(({ start, end }) => {
      const place = source!.place(start, end)
      return [text.slice(start, end), source!.text.slice(place.start, place.end)]
    })
  }

  it.each([
    ['\ufeff<p>a  b</p>', [['a b', 'a  b']]],
    ['<p>caf&eacute; &amp;\r\ntea</p>', [['café & tea', 'caf&eacute; &amp;\r\ntea']]],
    ['<p>a</i>b</p>', [['ab', 'a</i>b']]],
    ['<ul><li>a <b>b</b></ul>', [['- a b', 'a <b>b']]],
    ['<p><img alt="a &lt; b"></p>', [['a < b', 'alt="a &lt; b"']]],
    [
      '<table>x<tr><td>y</table>',
      [
        ['x', 'x'],
        ['y', 'y'],
      ],
    ],
    [
      '<h1>a</h1>b',
      [
        ['# a', 'a'],
        ['b', 'b'],
      ],
    ],
    ['<pre>\r\na\r\nb</pre>', [['a\nb', 'a\r\nb']]],
  ])('%s', (html, expected) => {
    expect(places(html)).toEqual(expected)
  })

  it('are found inside a long text with character references', () => {
    const html = `<p>${Array.from({ length: 50 }, (_, i) => `w${i}&nbsp;&eacute;\r\n`).join(' ')}</p>`
    const { text, source } = readHtmlText(html)
    const start = text.indexOf('w30')
    const place = source!.place(start, text.indexOf('w32') - 1)
    expect(html.slice(place.start, place.end)).toBe('w30&nbsp;&eacute;\r\n w31&nbsp;&eacute;')
  })
})

describe('items of lists', () => {
  it.each([
    ['<ul><li>a<ul><li>b</ul></ul>', '- a\n  - b', ['- a', '- b']],
    ['<ul><ul><li></li></ul>b</ul>', 'b', ['b']],
    ['<ol><li></li><li>b</ol>c', '2. b\n\nc', ['2. b', 'c']],
    ['<ol><li><p></p><p>a</ol>', '1. a', ['1. a']],
    ['<h1><ul><li></ul>a</h1>', '# a', ['# a']],
  ])('are marked when they have words, and no block begins with a blank: %s', (html, expected, expectedBlocks) => {
    const { text, blocks } = readHtmlText(html)
    expect(text).toBe(expected)
    expect(blocks.map(({ start, end }) => text.slice(start, end))).toEqual(expectedBlocks)
  })
})

describe('odd pages', () => {
  it.each([
    ['nested divisions', '<div>x'.repeat(100_000), 100_000],
    ['nested lists', '<ul><li>x'.repeat(20_000), 20_000],
    ['nested tables', '<table><tr><td>x'.repeat(10_000), 10_000],
    ['open fonts', `${Array.from({ length: 20_000 }, (_, i) => `<font a${i}>`).join('')}x`, 1],
    ['misnested', '<b><p></b>x'.repeat(20_000), 20_000],
    ['unclosed comment', `x<!--${'<!--'.repeat(200_000)}`, 1],
    ['blanks', `x${' '.repeat(2_000_000)}x`, 2],
    ['blanks in pre', `<pre>x${' \n'.repeat(1_000_000)}x`, 2],
    ['brackets', `x${'<'.repeat(500_000)}`, 1],
  ])('are read whole: %s', (_, html, count) => {
    const { text, blocks } = readHtmlText(html)
    expect(text.match(/x/g)).toHaveLength(count)
    expect(blocks.length).toBeGreaterThan(0)
  })

  it('of 17 MB are read to the end', () => {
    const paragraph = `<p>${'word '.repeat(200)}</p>\n`
    const html = `${paragraph.repeat(Math.ceil(17_000_000 / paragraph.length))}<p>needle</p>`
    const { text, blocks, source } = readHtmlText(html)
    expect(html.length).toBeGreaterThan(17_000_000)
    const last = blocks.at(-1)!
    expect(text.slice(last.start, last.end)).toBe('needle')
    const place = source!.place(last.start, last.end)
    expect(html.slice(place.start, place.end)).toBe('needle')
  })
})

/** Elements that may hold any of each other without the parser moving their words about. */
const TAGS = [
  'div',
  'section',
  'blockquote',
  'dl',
  'dd',
  'span',
  'em',
  'ul',
  'li',
  'figure',
  'pre',
  'center',
  'fieldset',
]
const BLANKS = ['', ' ', '\n', '\r\n', '\t ', '&#32;']

type Tree = { word: string } | { tag: string; blank: string; children: Tree[] } | { html: string }

const tree = fc.letrec<{ node: Tree }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ word: fc.constantFrom('word', 'caf&eacute;', '&lt;b&gt;', '東京', 'a&amp;b', '😀') }),
    fc.record({
      html: fc.constantFrom('<br>', '<hr>', '<!-- no -->', '<p hidden>no</p>', '</i>', '<script>no</script>', '&nbsp;'),
    }),
    fc.record({
      tag: fc.constantFrom(...TAGS),
      blank: fc.constantFrom(...BLANKS),
      children: fc.array(tie('node'), { maxLength: 4 }),
    }),
  ),
})).node

describe('any page', () => {
  it('shows all its words in order, each in one block, with its place', () => {
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 6 }), (nodes) => {
        const words: string[] = []
        const write = (node: Tree): string => {
          if ('html' in node) return node.html
          if ('word' in node) {
            const number = `§${words.length}§`
            words.push(number)
            return `${number}${node.word} `
          }
          return `<${node.tag}>${node.blank}${node.children.map(write).join(node.blank)}</${node.tag}>`
        }
        const html = nodes.map(write).join('')
        const { text, blocks, source } = readHtmlText(html)
        expect(text.match(/§\d+§/g) ?? []).toEqual(words)
        expect(text).not.toContain('no')
        let position = 0
        for (const { start, end } of blocks) {
          expect(text.slice(position, start).trim()).toBe('')
          expect(start).toBeLessThan(end)
          const block = text.slice(start, end)
          expect(block).toBe(block.trim())
          const place = source!.place(start, end)
          const numbers = (part: string): string[] => part.match(/§\d+§/g) ?? []
          expect(numbers(source!.text.slice(place.start, place.end))).toEqual(numbers(block))
          position = end
        }
        expect(text.slice(position).trim()).toBe('')
      }),
      { numRuns: 300 },
    )
  })

  it('is read, however broken', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '<',
        '>',
        '</',
        '<p',
        '<table>',
        '<tr>',
        '<td>',
        '</table>',
        '<select>',
        '<option>',
        '<svg>',
        '<text>',
      ),
      fc.constantFrom(
        '<math>',
        '<b>',
        '</b>',
        '<a>',
        '<h1>',
        '</h1>',
        '<pre>',
        '<template>',
        '<title>',
        '<!--',
        '-->',
        '<ul>',
      ),
      fc.constantFrom(
        '&',
        '&amp',
        '&#x0;',
        '\0',
        '\r',
        '\n',
        '\ufeff',
        '<textarea>',
        '<plaintext>',
        '<frameset>',
        '</body>',
        '"',
      ),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
        const html = pieces.join('')
        const { text, blocks, source } = readHtmlText(html)
        let position = 0
        for (const { start, end } of blocks) {
          expect(text.slice(position, start).trim()).toBe('')
          expect(text.slice(start, end).trim()).not.toBe('')
          const place = source!.place(start, end)
          expect(place.start).toBeGreaterThanOrEqual(0)
          expect(place.end).toBeLessThanOrEqual(html.length)
          position = end
        }
      }),
      { numRuns: 500 },
    )
  })
})
