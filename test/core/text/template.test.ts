import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Template } from '../../../packages/core/src/text/template.js'
import type { TextConfig } from '../../../packages/core/src/text/template.js'
import { createTokenizer } from '../../../packages/core/src/text/tokenizer.js'

const model = fileURLToPath(new URL('../../../packages/model-micro/model', import.meta.url))
const modern = fileURLToPath(new URL('../../golden/pylate/modernbert-tiny/model', import.meta.url))
const load = (folder: string) =>
  createTokenizer(
    JSON.parse(readFileSync(`${folder}/tokenizer.json`, 'utf8')),
    JSON.parse(readFileSync(`${folder}/tokenizer_config.json`, 'utf8')),
    { addedTokens: ['[unused0]', '[unused1]'] },
  )
const tokenizer = load(model)
const config: TextConfig = {
  queryPrefix: '[unused0]',
  documentPrefix: '[unused1]',
  queryLength: 8,
  documentLength: 10,
  doQueryExpansion: true,
  attendToExpansionTokens: false,
  skiplistWords: [',', '.'],
  doLowerCase: false,
  prompts: { query: '', ask: 'find: ' },
  defaultPromptName: null,
}
const template = (changes: Partial<TextConfig> = {}) => new Template(tokenizer, { ...config, ...changes })
const [CLS, SEP, MASK, Q, D] = [101, 102, 103, 1, 2]

describe('queries', () => {
  it('are filled with masks that are kept but not attended to', () => {
    const input = template().query('a bird')
    expect([...input.ids]).toEqual([CLS, Q, 1037, 4743, SEP, MASK, MASK, MASK])
    expect(input.attended).toBe(5)
    expect([...input.kept]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(input.cut).toBe(0)
  })

  it('attend to the expansion when asked, and never without expansion', () => {
    expect(template({ attendToExpansionTokens: true }).query('a').attended).toBe(8)
    const plain = template({ attendToExpansionTokens: true, doQueryExpansion: false }).query('a')
    expect([plain.ids.length, plain.attended]).toEqual([4, 4])
  })

  it('keep [SEP] last when cut', () => {
    const input = template().query('one two three four five six seven eight')
    expect(input.ids.length).toBe(8)
    expect([input.ids[0], input.ids[1], input.ids[7], input.attended, input.cut]).toEqual([CLS, Q, SEP, 8, 3])
  })

  it('keep punctuation', () => {
    expect([...template().query('a, b').kept]).toHaveLength(8)
  })

  it('without a prefix have one more token of text', () => {
    const input = template({ queryPrefix: '', queryLength: 4 }).query('one two three')
    expect([...input.ids]).toEqual([CLS, 2028, 2048, SEP])
  })
})

describe('documents', () => {
  it('lose the vectors of skiplist words, not their tokens', () => {
    const input = template().document('A bird, a fish.')
    expect(input.ids.length).toBe(9)
    expect([...input.kept]).toEqual([0, 1, 2, 3, 5, 6, 8])
    expect(input.ids[1]).toBe(D)
  })

  it('lose unknown tokens when a skiplist word is unknown, as in PyLate', () => {
    const known = template({ skiplistWords: [] }).document('\u{13000} a')
    const unknown = template({ skiplistWords: ['zzznotaword'] }).document('\u{13000} a')
    expect([known.kept.length, unknown.kept.length]).toEqual([5, 4])
  })

  it('may be empty', () => {
    for (const blank of ['', ' \t\n', '\x1c\x85']) expect([...template().document(blank).ids]).toEqual([CLS, D, SEP])
  })
})

describe('prompts', () => {
  it('are prepended, and the prompt of a name wins over the default', () => {
    const t = template({ prompts: { ask: 'find: ', doc: 'passage: ' }, defaultPromptName: 'ask' })
    const ids = (choice?: object) => [...t.document('birds', choice).ids]
    expect(ids()).toEqual([...t.document('find: birds', { prompt: '' }).ids])
    expect(ids({ promptName: 'doc' })).toEqual([...t.document('passage: birds', { prompt: '' }).ids])
    expect(ids({ prompt: 'x ' })).toEqual([...t.document('x birds', { prompt: '' }).ids])
    expect(ids({ prompt: 'x ', promptName: 'nonsense' })).toEqual([...t.document('x birds', { prompt: '' }).ids])
  })

  it('that are unknown are refused with the names there are', () => {
    expect(() => template().query('a', { promptName: 'qurey' })).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('"query", "ask"') }),
    )
    expect(() => template().query('a', { promptName: 'toString' })).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

describe('spans', () => {
  const spans = (input: ReturnType<Template['document']>, text: string) =>
    [...input.starts].map((start, i) => (start < 0 ? null : text.slice(start, input.ends[i])))

  it('point into the text that was given, not the prompt or what strip removed', () => {
    const text = '  \ufeff A bird  '
    expect(spans(template().document(text, { prompt: 'find: ' }), text)).toEqual([
      null,
      null,
      null,
      null,
      'A',
      'bird',
      null,
    ])
  })

  it('survive lower-casing that changes lengths', () => {
    const text = 'İİ Bird ΟΔΟΣ'
    expect(spans(template({ doLowerCase: true, documentLength: 20 }).document(text), text).filter(Boolean)).toEqual([
      'İİ',
      'Bird',
      'Ο',
      'Δ',
      'ΟΣ',
    ])
  })

  it('leave the blank of byte-level tokens out, and end with [SEP] when cut', async () => {
    const t = new Template(load(modern), config)
    const text = 'the birds of the sea and the air'
    const input = t.document(text)
    expect(spans(input, text).slice(0, 3)).toEqual([null, null, 'the'])
    expect(spans(input, text).every((span) => span === null || !span.startsWith(' '))).toBe(true)
    expect([input.starts.at(-1), input.ids.length]).toEqual([-1, 10])
    const expanded = t.query('the sea')
    expect(expanded.starts.slice(expanded.attended)).toEqual(
      new Int32Array(expanded.ids.length - expanded.attended).fill(-1),
    )
  })

  it('of a prompt that runs into the text start with the text', () => {
    expect(spans(template().document('bird', { prompt: 'black' }), 'bird')).toContain('bird')
  })
})

describe('settings that cannot work', () => {
  it('name the prefix that is no token', () => {
    expect(() => template({ queryPrefix: '[X] ' })).toThrowError(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining('"[X] "') }),
    )
  })

  it('leave room for special tokens', () => {
    expect(() => template({ queryLength: 2 })).toThrowError(/queryLength must be an integer from 3 to 32768, got 2/)
    expect(() => template({ documentLength: 1, documentPrefix: '' })).toThrowError(/from 2 to 1048576, got 1/)
    expect([...template({ queryLength: 3 }).query('a b').ids]).toEqual([CLS, Q, SEP])
  })
})

it('replaces lone surrogates and keeps spans', () => {
  const input = template().document('a \ud83d b')
  expect([...input.starts]).toEqual([-1, -1, 0, 4, -1])
})

describe('spans beside a prompt', () => {
  it('are of the text alone, also where the prompt ends without a blank', () => {
    const spans = (prompt: string, text: string): [string, number, number][] => {
      const { ids, starts, ends } = template({ queryLength: 16, doQueryExpansion: false }).query(text, { prompt })
      return Array.from(ids, (id, i) => [tokenizer.idToToken(id)!, starts[i]!, ends[i]!] as [string, number, number])
    }
    const words = (prompt: string): [string, number, number][] =>
      spans(prompt, 'a bird').filter(([token]) => !token.startsWith('['))
    expect(words('find: ')).toEqual([
      ['find', -1, -1],
      [':', -1, -1],
      ['a', 0, 1],
      ['bird', 2, 6],
    ])
    // Here the last token of the prompt ends where the text begins.
    expect(words('find:')).toEqual(words('find: '))
  })
})
