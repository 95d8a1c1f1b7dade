import { PassThrough } from 'node:stream'
import * as fc from '../support/fast-check.js'
import { describe, expect, it } from 'vitest'
import { bestStretch } from '@serotine/core/highlight'
import { formatHit } from '../../packages/cli/src/output/hits.js'
import { matrixRows, shortFloat } from '../../packages/cli/src/output/json.js'
import { clock, count, counted, duration, fileSize } from '../../packages/cli/src/output/numbers.js'
import { snippet } from '../../packages/cli/src/output/snippet.js'
import { createTerminal, wantsColor } from '../../packages/cli/src/output/terminal.js'

const match = (start: number, end: number, similarity: number, queryStart = 0) => ({
  start,
  end,
  similarity,
  queryStart,
  queryEnd: queryStart + 1,
  token: '',
  queryToken: '',
})

describe('snippet', () => {
  const shown = (text: string, words: Parameters<typeof snippet>[1], length: number) =>
    snippet(text, words, bestStretch(text, words, length))
  const join = (parts: readonly { text: string }[]): string => parts.map(({ text }) => text).join('')

  it('shows a short text whole, blanks run together', () => {
    expect(shown('  one\n\ttwo  ', [{ start: 3, end: 5, similarity: 1 }], 50)).toEqual([
      { text: 'o', matched: false },
      { text: 'ne', matched: true },
      { text: ' two', matched: false },
    ])
  })

  it('shows the stretch with the most matches', () => {
    const text = `${'filler '.repeat(50)}the needle here ${'filler '.repeat(50)}`
    const at = text.indexOf('needle')
    const parts = shown(
      text,
      [
        { start: 0, end: 6, similarity: 0.2 },
        { start: at, end: at + 6, similarity: 0.9 },
      ],
      60,
    )
    expect(join(parts)).toMatch(/^… .*needle here.* …$/)
    expect(parts.filter(({ matched }) => matched)).toEqual([{ text: 'needle', matched: true }])
  })

  it('never breaks a character, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.nat(300),
        fc.integer({ min: 20, max: 100 }),
        (text, at, length) => {
          const span = { start: Math.min(at, text.length), end: Math.min(at + 3, text.length), similarity: 1 }
          const both = join(shown(text, [], length)) + join(shown(text, [span], length))
          expect(both.length).toBeLessThanOrEqual(2 * (length + 10))
        },
      ),
    )
    expect(join(shown('😀'.repeat(100), [], 41))).toBe(`${'😀'.repeat(20)} …`)
  })
})

describe('formatHit', () => {
  it('fits the width and shows place, heading and scores', () => {
    const hit = {
      rank: 1,
      place: (offset: number) => `docs/proxy.md:${offset}`,
      heading: 'Guide › Proxy',
      text: 'To set up a proxy, use HTTPS_PROXY. '.repeat(20),
      score: 12.345,
      meanSimilarity: 0.7716,
      query: 'proxy',
      matches: [match(12, 17, 0.9)],
    }
    const lines = formatHit(hit, createTerminal({ color: false }))
      .trimEnd()
      .split('\n')
    expect(lines[0]).toMatch(/^ 1 {2}docs\/proxy\.md:12 {2}Guide › Proxy {3,}0\.772 \(12\.35\)$/)
    expect(lines.length).toBeGreaterThanOrEqual(3)
    expect(lines.length).toBeLessThanOrEqual(5)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100)
    expect(formatHit(hit, createTerminal({ color: true }))).toContain('\u001b[1m\u001b[33mproxy')
  })
})

describe('numbers', () => {
  it('are short and readable', () => {
    expect([count(5183), counted(1, 'passage'), counted(1200, 'passage'), counted(2, 'query', 'queries')]).toEqual([
      '5,183',
      '1 passage',
      '1,200 passages',
      '2 queries',
    ])
    expect([fileSize(0), fileSize(999), fileSize(4_200_000), fileSize(12_000_000)]).toEqual([
      '0 bytes',
      '999 bytes',
      '4.2 MB',
      '12 MB',
    ])
    expect([duration(2.34), duration(234), duration(4200), duration(83_000), clock(3723)]).toEqual([
      '2.3 ms',
      '234 ms',
      '4.2 s',
      '1:23 min',
      '1:02:03',
    ])
  })

  it('keep every bit of a 32-bit float', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Math.fround(shortFloat(value))).toBe(value === 0 ? 0 : value)
        expect(Math.fround(JSON.parse(JSON.stringify(shortFloat(value))) as number)).toBe(value === 0 ? 0 : value)
      }),
    )
    expect(shortFloat(Math.fround(0.1))).toBe(0.1)
    expect(matrixRows(new Float32Array([1, 2, 3, 4]), 2)).toEqual([
      [1, 2],
      [3, 4],
    ])
  })
})

describe('terminal', () => {
  it('colours only terminals, unless told otherwise', () => {
    expect(wantsColor({}, true)).toBe(true)
    expect(wantsColor({}, false)).toBe(false)
    expect(wantsColor({ NO_COLOR: '1' }, true)).toBe(false)
    expect(wantsColor({ FORCE_COLOR: '1' }, false)).toBe(true)
    expect(wantsColor({ FORCE_COLOR: '0' }, true)).toBe(false)
    expect(wantsColor({ NO_COLOR: '1', FORCE_COLOR: '1' }, true)).toBe(false)
    expect(wantsColor({ TERM: 'dumb' }, true)).toBe(false)
  })

  it('keeps results and remarks apart', async () => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const terminal = createTerminal({ quiet: true }, { stdout, stderr, env: {} })
    await terminal.out('result\n')
    terminal.note('remark')
    terminal.warn('watch out')
    expect(String(stdout.read())).toBe('result\n')
    expect(String(stderr.read())).toBe('warning watch out\n')
    expect(terminal.showsProgress).toBe(false)
  })
})
