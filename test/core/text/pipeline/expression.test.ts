import { describe, expect, it } from 'vitest'
import { expression } from '../../../../packages/core/src/text/pipeline/expression.js'
import { createTokenizer } from '../../../../packages/core/src/text/tokenizer.js'

const matchesOf = (source: string, text: string) =>
  expression(source, 'Split')(text).flatMap(([from, to, matched]) => (matched ? [text.slice(from, to)] : []))

describe("a stranger's expression", () => {
  it.each(['(a+)+$', '(a|a)*b', '(a|aa)+$', '(.*)*x', '([a-z]+)*\\d', 'a{1,500}b', '(a*)*b|c'])(
    'runs in linear time or is refused: %s',
    (source) => {
      for (const text of [`${'a'.repeat(28)}!`, `${'a'.repeat(100_000)}!`]) {
        const start = performance.now()
        try {
          expression(source, 'Split')(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining('expression') })
        }
        expect(performance.now() - start).toBeLessThan(3000)
      }
    },
  )

  it('is refused with its name and what in it cannot be run', () => {
    for (const [source, what] of [
      ['(?<=a)b', 'look'],
      ['a(?!b)c', 'look'],
      ['(a)\\1', '\\1'],
      ['a++', 'possessive'],
      ['a*', 'nothing'],
      ['(?<name>a)', 'group'],
      ['[a&&b]', 'intersection'],
      ['[[:alpha:]]', 'class in a class'],
      ['\\p{Greek}', '\\p{Greek}'],
      ['(?i:straße)', 'ASCII'],
      ['(?i:ss)', 'fold'],
      ['a{2000}', 'quantifier'],
      ['(a', 'unmatched'],
      ['a)', 'unmatched'],
      ['[a', 'unmatched'],
      ['\\', '\\'],
    ] as const) {
      expect(() => expression(source, 'Replace'), source).toThrowError(
        expect.objectContaining({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining(what) }),
      )
    }
    expect(() => expression('('.repeat(10_000), 'Split')).toThrowError(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }),
    )
  })

  it('finds what Oniguruma finds', () => {
    expect(matchesOf('[A-Z][a-z]*', 'OneTwo three Éa')).toEqual(['One', 'Two'])
    expect(matchesOf("(?i:'s|'ll)", "IT'S he'll 'ſ")).toEqual(["'S", "'ll", "'ſ"])
    expect(matchesOf('\\d{2,3}|x', '1 12 1234 x')).toEqual(['12', '123', 'x'])
    expect(matchesOf('^a|b$', 'a a\na b\nb')).toEqual(['a', 'a', 'b', 'b'])
    expect(matchesOf('a.c', 'abc a\nc a😀c')).toEqual(['abc', 'a😀c'])
    // ½ is a word character outside of a class and not inside one.
    expect(matchesOf('\\w', '½')).toEqual(['½'])
    expect(matchesOf('[^\\w\\s]', '½')).toEqual(['½'])
  })
})

it.each(['Split', 'Replace'])('a tokenizer.json with a hostile %s cuts long texts quickly, or is refused', (kind) => {
  const pattern = { Regex: '(a+)+$' }
  const json = {
    added_tokens: [],
    normalizer: kind === 'Replace' ? { type: 'Replace', pattern, content: 'b' } : null,
    pre_tokenizer: kind === 'Split' ? { type: 'Split', pattern, behavior: 'Isolated', invert: false } : null,
    post_processor: null,
    model: { type: 'BPE', vocab: { a: 0, '!': 1, b: 2, '[MASK]': 3 }, merges: [] },
  }
  const tokenizer = createTokenizer(json, { tokenizer_class: 'PreTrainedTokenizerFast', mask_token: '[MASK]' })
  const start = performance.now()
  expect(tokenizer.encode(`${'a'.repeat(29)}!`).ids).toHaveLength(30)
  expect(tokenizer.encode(`${'a'.repeat(100_000)}!`).ids).toHaveLength(100_001)
  expect(performance.now() - start).toBeLessThan(5000)
})
