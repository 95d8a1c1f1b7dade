import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Tokenizer as Library } from '@huggingface/tokenizers'
import * as fc from '../../support/fast-check.js'
import { describe, expect, it } from 'vitest'
import { wrapTokenizer } from '../../../packages/core/src/text/external-tokenizer.js'
import type { ExternalTokenizer } from '../../../packages/core/src/text/external-tokenizer.js'
import { createTokenizer } from '../../../packages/core/src/text/tokenizer.js'
import type { Tokenizer } from '../../../packages/core/src/text/tokenizer.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const readJson = (path: string) => JSON.parse(readFileSync(`${root}/${path}`, 'utf8'))
const bertJson = readJson('packages/model-micro/model/tokenizer.json')
const bertConfig = readJson('packages/model-micro/model/tokenizer_config.json')
const modernJson = readJson('test/golden/pylate/modernbert-tiny/model/tokenizer.json')
const modernConfig = readJson('test/golden/pylate/modernbert-tiny/model/tokenizer_config.json')
const bert = createTokenizer(bertJson, bertConfig)
const modern = createTokenizer(modernJson, modernConfig)

const words = (tokenizer: Tokenizer, text: string) => {
  const { ids, starts, ends } = tokenizer.encode(text)
  return [...ids].flatMap((id, i) =>
    starts[i]! < 0 ? [] : [[tokenizer.idToToken(id), text.slice(starts[i], ends[i])]],
  )
}

const fragment = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'binary-ascii', maxLength: 12 }),
  fc.constantFrom(
    'hello',
    ' World',
    'naïve',
    'cafe\u0301',
    '한국어',
    '한',
    'العَرَبِيّة',
    '\u{20000}\u{2a700}',
    '😀',
    '👨‍👩‍👧',
    '\u0301\u0323',
    'ΟΔΟΣ',
    'ﬁ',
    'İ',
    '[MASK]',
    '[SEP]',
    '  ',
    '\t\n',
    "don't",
    '1,234.5',
    '\ufeff',
    '[Q] ',
    '\u{1d15e}\u{1d165}',
  ),
)
const texts = fc.array(fragment, { maxLength: 6 }).map((parts) => parts.join(''))

describe.each([
  ['WordPiece', bert],
  ['byte-level BPE', modern],
] as const)('%s spans', (_, tokenizer) => {
  it('ascend, lie in the text and cut no surrogate pair', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const { ids, starts, ends } = tokenizer.encode(text)
        expect([starts.length, ends.length]).toEqual([ids.length, ids.length])
        expect([starts[0], ends[0], starts.at(-1), ends.at(-1)]).toEqual([-1, -1, -1, -1])
        let last = 0
        for (let i = 1; i < ids.length - 1; i++) {
          expect(starts[i]!).toBeGreaterThanOrEqual(last)
          expect(ends[i]!).toBeGreaterThan(starts[i]!)
          expect(ends[i]!).toBeLessThanOrEqual(text.length)
          expect(/\p{Cs}/u.test(text.slice(starts[i], ends[i]))).toBe(false)
          // A character may be cut between tokens, so starts ascend and not the gaps.
          last = starts[i]!
        }
      }),
      { numRuns: 300 },
    )
  })

  it('cover all that is not blank, invisible or a stripped mark', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const { starts, ends } = tokenizer.encode(text)
        const covered = new Uint8Array(text.length)
        starts.forEach((start, i) => start >= 0 && covered.fill(1, start, ends[i]!))
        const missing = [...text].reduce(
          ({ at, out }, ch) => ({ at: at + ch.length, out: covered[at] ? out : out + ch }),
          { at: 0, out: '' },
        ).out
        expect(missing.replace(/[\s\p{C}\p{M}\ufffd]|[\u1100-\u11ff]/gu, '')).toBe('')
      }),
      { numRuns: 300 },
    )
  })

  it('does not throw on lone surrogates, which count as U+FFFD', () => {
    for (const lone of ['\ud83d', '\ude00', 'a\ud83db', '\ude00\ud83d', '\ud800[MASK]\udfff']) {
      const replaced = lone.replace(/\p{Cs}/gu, '\ufffd')
      expect(tokenizer.encode(lone)).toEqual(tokenizer.encode(replaced))
    }
  })
})

describe('spans in the original text', () => {
  it('follow what BERT changes', () => {
    expect(words(bert, 'Café ﬁne İstanbul, ΟΔΟΣ 東京!')).toEqual([
      ['cafe', 'Café'],
      ['ﬁ', 'ﬁ'],
      ['##ne', 'ne'],
      ['istanbul', 'İstanbul'],
      [',', ','],
      ['ο', 'Ο'],
      ['##δ', 'Δ'],
      ['##ο', 'Ο'],
      ['##σ', 'Σ'],
      ['東', '東'],
      ['京', '京'],
      ['!', '!'],
    ])
  })

  it('skip what BERT strips', () => {
    expect(words(bert, 'cafe\u0301 x\u00ady a\u200bb \u0301')).toEqual([
      ['cafe', 'cafe'],
      ['x', 'x'],
      ['##y', 'y'],
      ['ab', 'a\u200bb'],
    ])
  })

  it('keep the blank of a byte-level token, and every token of a cut character has all of it', () => {
    const cut = words(modern, 'the 😀 é')
    expect(cut.map(([, span]) => span).join('|')).toMatch(/^the\| (\|😀)+\| (\|é)*|^the\|.*é$/u)
    expect(cut.filter(([, span]) => span!.includes('😀')).length).toBeGreaterThan(1)
    const { starts, ends } = modern.encode('cafe\u0301 x')
    // As in Python, the composed é points at its e.
    expect([...ends].at(-3)).toBeLessThanOrEqual([...starts].at(-2)!)
  })
})

describe('ids', () => {
  // What the library is known to do differently from Rust: CJK extensions are not split, a final Σ becomes ς, and code
  // points newer than Rust's tables are marks or punctuation to it (recordings from Python cover these: python.test.ts).
  const agreed = (text: string) => !/[\u{20000}-\u{2fa1f}\u03a3]/u.test(text) && isOldUnicode(text)
  const isOldUnicode = (text: string) =>
    !/\p{Cn}/u.test(text) && [...text].every((ch) => ch < '\u0100' || COMMON.test(ch))
  const COMMON = new RegExp(
    '[\\u0100-\\u024f\\u0300-\\u033f\\u0346-\\u0362\\u0370-\\u052f\\u05d0-\\u05ea\\u0627-\\u064a\\u0900-\\u0963\\u3040-\\u30ff' +
      '\\u4e00-\\u9fff\\uac00-\\ud7a3\\u2000-\\u206f\\ufb00-\\ufb04\\u{1f300}-\\u{1f64f}]',
    'u',
  )

  it.each([
    ['WordPiece', bert, bertJson, bertConfig],
    ['byte-level BPE', modern, modernJson, modernConfig],
  ] as const)('%s agrees with @huggingface/tokenizers', (_, tokenizer, json, config) => {
    const library = new Library(json, config)
    let compared = 0
    fc.assert(
      fc.property(texts, (text) => {
        fc.pre(agreed(text))
        compared++
        expect([...tokenizer.encode(text).ids]).toEqual(Array.from(library.encode(text).ids, Number))
      }),
      { numRuns: 300 },
    )
    expect(compared).toBeGreaterThan(100)
  })
})

describe('the normaliser of BertTokenizer', () => {
  const cased = { ...bertJson, normalizer: { ...bertJson.normalizer, lowercase: false } }

  it('comes from tokenizer_config.json', async () => {
    const byDefault = createTokenizer(cased, { tokenizer_class: 'BertTokenizer' })
    expect(byDefault.encode('HELLO').ids).toEqual(bert.encode('hello').ids)
    const keepCase = createTokenizer(bertJson, { tokenizer_class: 'BertTokenizerFast', do_lower_case: false })
    expect([...keepCase.encode('HELLO').ids]).toEqual([101, 100, 102])
    const noSplit = createTokenizer(bertJson, { tokenizer_class: 'BertTokenizer', tokenize_chinese_chars: false })
    expect(words(noSplit, '東京').map(([, span]) => span)).toEqual(['東', '京'])
    expect(words(noSplit, '東京')[1]![0]).toBe('##京')
  })

  it('comes from tokenizer.json for PreTrainedTokenizerFast', async () => {
    const asItIs = createTokenizer(cased, { tokenizer_class: 'PreTrainedTokenizerFast', mask_token: '[MASK]' })
    expect([...asItIs.encode('HELLO').ids]).toEqual([101, 100, 102])
  })
})

it('ignores stored truncation and padding', async () => {
  const baked = {
    ...bertJson,
    truncation: { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 },
    padding: { strategy: { Fixed: 128 }, direction: 'Right', pad_id: 0, pad_type_id: 0, pad_token: '[PAD]' },
  }
  const tokenizer = createTokenizer(baked, bertConfig)
  expect(tokenizer.encode('a b c d e f g').ids).toHaveLength(9)
})

describe('added tokens', () => {
  it('are prefixes once named', async () => {
    expect(bert.encode('[unused0] a').ids.length).toBeGreaterThan(4)
    const tokenizer = createTokenizer(bertJson, bertConfig, { addedTokens: ['[unused0]', 'not a token'] })
    expect([...tokenizer.encode('[unused0] a').ids]).toEqual([101, 1, 1037, 102])
    expect(tokenizer.tokenToId('not a token')).toBeUndefined()
  })

  const withToken = (token: object) =>
    createTokenizer(
      {
        ...bertJson,
        added_tokens: [
          ...bertJson.added_tokens,
          {
            id: 30522,
            content: 'Zyx',
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: true,
            special: false,
            ...token,
          },
        ],
      },
      bertConfig,
    )

  it('match normalised text or the text as it is', async () => {
    expect(words(withToken({}), 'a zyx ZYXb')).toEqual([
      ['a', 'a'],
      ['Zyx', 'zyx'],
      ['Zyx', 'ZYX'],
      ['b', 'b'],
    ])
    expect(withToken({ normalized: false }).encode('zyx').ids).not.toContain(30522)
    expect([...withToken({ normalized: false }).encode('Zyx').ids]).toEqual([101, 30522, 102])
  })

  it('strip blanks, and can ask for whole words', async () => {
    expect(words(withToken({ lstrip: true, rstrip: true }), 'a  zyx  b')).toEqual([
      ['a', 'a'],
      ['Zyx', '  zyx  '],
      ['b', 'b'],
    ])
    const single = withToken({ single_word: true })
    expect(single.encode('azyx zyxb é́zyx').ids).not.toContain(30522)
    expect(words(single, '(zyx)')[1]).toEqual(['Zyx', 'zyx'])
  })
})

describe('other tokenizers', () => {
  // A Unigram model with Metaspace, as T5 and XLM-R have.
  const unigram = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      { id: 0, content: '<s>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
      { id: 1, content: '</s>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
      { id: 2, content: '<unk>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
      { id: 3, content: '<mask>', single_word: false, lstrip: true, rstrip: false, normalized: false, special: true },
    ],
    normalizer: { type: 'NFKC' },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] },
        '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] },
      },
    },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    model: {
      type: 'Unigram',
      unk_id: 2,
      byte_fallback: false,
      vocab: [
        ['<s>', 0],
        ['</s>', 0],
        ['<unk>', 0],
        ['<mask>', 0],
        ['▁the', -2],
        ['▁', -3],
        ['fi', -4],
        ['n', -5],
        ['e', -5],
        ['▁bird', -4],
        ['s', -5],
        ['ing', -4],
      ],
    },
  }

  it('run step by step, with spans', () => {
    const tokenizer = createTokenizer(unigram, {
      tokenizer_class: 'PreTrainedTokenizerFast',
      mask_token: '<mask>',
      unk_token: '<unk>',
    })
    expect([tokenizer.clsId, tokenizer.sepId, tokenizer.maskId, tokenizer.unkId, tokenizer.size]).toEqual([
      0, 1, 3, 2, 12,
    ])
    // A blank of its own has nothing to show.
    expect(words(tokenizer, 'the ﬁne 😀 birds').filter(([token]) => token !== '▁')).toEqual([
      ['▁the', 'the'],
      ['fi', 'ﬁ'],
      ['n', 'n'],
      ['e', 'e'],
      ['<unk>', '😀'],
      ['▁bird', ' bird'],
      ['s', 's'],
    ])
  })

  it('made elsewhere are accepted', () => {
    const library = new Library(bertJson, bertConfig)
    const external: ExternalTokenizer = {
      encode: (text) => Array.from(library.encode(text).ids, Number),
      get_vocab: () => library.get_vocab(),
      mask_token: '[MASK]',
      unk_token: '[UNK]',
    }
    const wrapped = wrapTokenizer(external)
    expect([wrapped.clsId, wrapped.sepId, wrapped.maskId, wrapped.leading, wrapped.trailing]).toEqual([
      101, 102, 103, 1, 1,
    ])
    expect(wrapped.tokenToId('[unused0]')).toBe(1)
    expect(wrapped.idToToken(1037)).toBe('a')
    const text = 'Café naïve strangers: embeddings, doesn’t! 東京'
    expect(wrapped.encode(text)).toEqual(bert.encode(text))
  })

  it('made elsewhere find the spans of a byte-level model', () => {
    const wrapped = wrapTokenizer(new Library(modernJson, modernConfig))
    const text = 'naïve 😀 strangers don’t'
    const ours = modern.encode(text)
    const theirs = wrapped.encode(text)
    expect(theirs.ids).toEqual(ours.ids)
    // Aligned spans leave the blank of a token out.
    expect(theirs.ends).toEqual(ours.ends)
  })

  it('that cannot be run are named', () => {
    const odd = { ...unigram, model: { type: 'Morpheme', vocab: {} } }
    expect(() => createTokenizer(odd, {})).toThrowError(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining('"Morpheme"') }),
    )
    for (const json of ['nonsense', {}])
      expect(() => createTokenizer(json, {})).toThrowError(expect.objectContaining({ code: 'MODEL_CORRUPT' }))
    expect(() => wrapTokenizer({} as never)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

it('cuts a long run without blanks in reasonable time', () => {
  expect(modern.encode('ab'.repeat(100_000)).ids.length).toBeGreaterThan(1000)
  expect(bert.encode('ab'.repeat(100_000)).ids.length).toBe(3)
})
