import { describe, expect, it } from 'vitest'
import { normalizeArguments } from '../../packages/cli/src/arguments.js'
import { parseWhere } from '../../packages/cli/src/input/where.js'
import {
  parseDenseOverride,
  parseFde,
  parseInteger,
  parseKeyValue,
  parseWords,
} from '../../packages/cli/src/option-values.js'

describe('values of flags', () => {
  it('reads words from blanks, commas, one character or JSON', () => {
    expect(parseWords('the a, an', undefined)).toEqual(['the', 'a', 'an'])
    expect(parseWords(',', undefined)).toEqual([','])
    expect(parseWords('["[MASK]", ","]', undefined)).toEqual(['[MASK]', ','])
    expect(parseWords('[MASK]', ['x'])).toEqual(['x', '[MASK]'])
    expect(parseWords('', undefined)).toEqual([])
    expect(parseWords('[]', undefined)).toEqual([])
    expect(() => parseWords('[1]', undefined)).toThrow(expect.objectContaining({ code: 'commander.invalidArgument' }))
  })

  it('reads prompts, dense overrides and FDE options', () => {
    expect(parseKeyValue('ask=a = b: ', { query: 'q' })).toEqual({ query: 'q', ask: 'a = b: ' })
    expect(parseKeyValue('{"ask": ""}', undefined)).toEqual({ ask: '' })
    expect(() => parseKeyValue('ask', undefined)).toThrow(
      expect.objectContaining({ code: 'commander.invalidArgument' }),
    )
    const one = parseDenseOverride('2_Dense.useResidual=true', undefined)
    expect(parseDenseOverride('2_Dense.activation=gelu', one)).toEqual({
      '2_Dense': { useResidual: true, activation: 'gelu' },
    })
    expect(parseDenseOverride('2_Dense.use_residual=false', undefined)).toEqual({ '2_Dense': { useResidual: false } })
    expect(() => parseDenseOverride('2_Dense.useResidual=yes', undefined)).toThrow(
      expect.objectContaining({ code: 'commander.invalidArgument' }),
    )
    expect(() => parseDenseOverride('2_Dense=true', undefined)).toThrow(
      expect.objectContaining({ code: 'commander.invalidArgument' }),
    )
    expect(parseFde('paper')).toBe('paper')
    expect(parseFde('{"repetitions": 4}')).toEqual({ repetitions: 4 })
    expect(() => parseFde('{')).toThrow(expect.objectContaining({ code: 'commander.invalidArgument' }))
  })

  it('reads integers, nothing like them', () => {
    expect(parseInteger('12', 1)).toBe(12)
    for (const text of ['', '0', '1.5', 'x', '-3', '1e99'])
      expect(() => parseInteger(text, 1)).toThrow(expect.objectContaining({ code: 'commander.invalidArgument' }))
  })

  it('reads filters', () => {
    expect(parseWhere('lang=en', undefined)).toEqual({ lang: { eq: 'en' } })
    expect(parseWhere('lang=en,de', undefined)).toEqual({ lang: { in: ['en', 'de'] } })
    expect(parseWhere('lang!=en, de', undefined)).toEqual({ lang: { nin: ['en', 'de'] } })
    expect(parseWhere('year >= 2020', undefined)).toEqual({ year: { gte: 2020 } })
    expect(parseWhere('code="2020"', undefined)).toEqual({ code: { eq: '2020' } })
    expect(parseWhere('draft=false', undefined)).toEqual({ draft: { eq: false } })
    expect(parseWhere('title~a=b', undefined)).toEqual({ title: { contains: 'a=b' } })
    expect(parseWhere('{"or": [{"a": 1}, {"b": 2}]}', undefined)).toEqual({ or: [{ a: 1 }, { b: 2 }] })
    const both = parseWhere('year>2000', parseWhere('lang=en', undefined))
    expect(parseWhere('year<2010', both)).toEqual({
      and: [{ lang: { eq: 'en' } }, { year: { gt: 2000 } }, { year: { lt: 2010 } }],
    })
    expect(() => parseWhere('lang', undefined)).toThrow(expect.objectContaining({ code: 'commander.invalidArgument' }))
    expect(() => parseWhere('{lang}', undefined)).toThrow(
      expect.objectContaining({ code: 'commander.invalidArgument' }),
    )
  })
})

describe('normalizeArguments', () => {
  const known = new Set(['--query-length', '--offline', '--no-offline', '--k', '--dense-overrides'])
  const normalize = (...args: string[]): string[] => normalizeArguments(args, known)

  it('takes the spellings of the library and of Python', () => {
    expect(normalize('search', '--queryLength', '8', '--query_length=9')).toEqual([
      'search',
      '--query-length',
      '8',
      '--query-length=9',
    ])
    expect(normalize('--dense_override=a.b=c')).toEqual(['--dense-overrides=a.b=c'])
  })

  it('gives switches a value', () => {
    expect(normalize('--offline=true', '--offline=False', '--k=1')).toEqual(['--offline', '--no-offline', '--k=1'])
  })

  it('leaves the rest alone', () => {
    expect(normalize('--nothingKnown', 'plain_text', '-k', '--', '--queryLength')).toEqual([
      '--nothingKnown',
      'plain_text',
      '-k',
      '--',
      '--queryLength',
    ])
  })
})
