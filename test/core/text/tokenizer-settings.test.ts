// What tokenizer_config.json and the older files beside it say: as PyLate 1.6 (transformers 5.3), or an error that names the key.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Template } from '../../../packages/core/src/text/template.js'
import { withLegacyFiles } from '../../../packages/core/src/text/tokenizer-json/special-tokens.js'
import { createTokenizer, tokenizerJsonFromVocab } from '../../../packages/core/src/text/tokenizer.js'

const golden = (path: string) =>
  JSON.parse(readFileSync(new URL(`../../golden/pylate/${path}`, import.meta.url), 'utf8'))
const bert = { ...golden('bert-tiny/model/tokenizer.json'), padding: null }
const roberta = golden('roberta-tiny/model/tokenizer.json')
const xlmr = golden('xlmr-tok-fast/model/tokenizer.json')
const vocab = tokenizerJsonFromVocab('[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n##n\n')
const generic = { tokenizer_class: 'PreTrainedTokenizerFast', mask_token: '[MASK]' }

const failure = (make: () => unknown) => {
  try {
    make()
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('nothing was thrown')
}

describe('tokenizer_class', () => {
  it.each(['BertJapaneseTokenizer', 'PhobertTokenizer', 'MyOwnTokenizerFast', 'Tokenizer', ''])(
    'an unknown one is named: %s',
    (name) => {
      for (const json of [bert, vocab]) {
        const { code, message } = failure(() => createTokenizer(json, { tokenizer_class: name }, { modelType: 'bert' }))
        expect([code, message]).toEqual(['MODEL_UNSUPPORTED', expect.stringContaining(JSON.stringify(name))])
      }
    },
  )

  it('of config.json counts where tokenizer_config.json has none', () => {
    const options = { modelType: 'bert', modelTokenizerClass: 'BertJapaneseTokenizer' }
    expect(failure(() => createTokenizer(vocab, {}, options)).message).toContain('"BertJapaneseTokenizer"')
  })

  it.each(['RobertaTokenizer', 'PreTrainedTokenizerFast', 'XLMRobertaTokenizerFast'])(
    'vocab.txt alone is not enough for %s',
    (name) => {
      expect(failure(() => createTokenizer(vocab, { tokenizer_class: name }, { modelType: 'bert' })).message).toMatch(
        new RegExp(`"${name}".*vocab\\.txt`),
      )
    },
  )

  it('other than the encoder usually has leaves tokenizer.json as it is; the usual one builds its own pipeline', () => {
    const cased = { ...bert, normalizer: { ...bert.normalizer, lowercase: false } }
    const ids = (name: string | undefined, modelType: string) => [
      ...createTokenizer(cased, { ...generic, tokenizer_class: name }, { modelType }).encode('THE').ids,
    ]
    const lower = ids('BertTokenizer', 'bert')
    expect(ids(undefined, 'bert')).toEqual(lower)
    expect(ids('BertTokenizerFast', 'distilbert')).toEqual(lower)
    // DistilBERT's expected class is BertTokenizer, so its own name takes the file as it is.
    expect(ids('DistilBertTokenizer', 'distilbert')).not.toEqual(lower)
    expect(ids('PreTrainedTokenizerFast', 'bert')).not.toEqual(lower)
  })

  it('whose vocabulary is of another kind is refused, and so is one that transformers builds by rules not here', () => {
    expect(failure(() => createTokenizer(xlmr, {}, { modelType: 'bert' })).message).toMatch(/tokenizer_class.*Unigram/)
    const gptNeoX = { tokenizer_class: 'GPTNeoXTokenizerFast' }
    expect(failure(() => createTokenizer(roberta, gptNeoX, { modelType: 'modernbert' })).message).toContain(
      '"GPTNeoXTokenizerFast"',
    )
  })
})

describe('sides', () => {
  const config = {
    queryPrefix: '',
    documentPrefix: '',
    queryLength: 8,
    documentLength: 5,
    doQueryExpansion: true,
    attendToExpansionTokens: false,
    skiplistWords: [],
    doLowerCase: false,
    prompts: {},
    defaultPromptName: null,
  }
  const cutOf = (json: object, settings: object) => {
    const tokenizer = createTokenizer(json, settings)
    const input = new Template(tokenizer, config).document('the bank of the river')
    return [...input.starts].map((start, i) => [start, input.ends[i]])
  }

  it('truncation on the left keeps the end of the text, between the special tokens', () => {
    const [right, left] = [cutOf(bert, generic), cutOf(bert, { ...generic, truncation_side: 'left' })]
    expect(right[0]).toEqual([-1, -1])
    expect(left[0]).toEqual([-1, -1])
    expect([right[1], left.at(-2), left.at(-1)]).toEqual([
      [0, 3],
      [16, 21],
      [-1, -1],
    ])
  })

  it('baked into tokenizer.json counts where the configuration does not say', () => {
    const baked = { ...bert, truncation: { direction: 'Left', max_length: 9, strategy: 'LongestFirst', stride: 0 } }
    expect(cutOf(baked, generic)).toEqual(cutOf(bert, { ...generic, truncation_side: 'left' }))
    expect(cutOf(baked, { ...generic, truncation_side: 'right' })).toEqual(cutOf(bert, generic))
  })

  it('padding on the left is refused, from either file', () => {
    const baked = {
      ...bert,
      padding: { direction: 'Left', strategy: 'BatchLongest', pad_id: 0, pad_type_id: 0, pad_token: '[PAD]' },
    }
    for (const make of [
      () => createTokenizer(bert, { ...generic, padding_side: 'left' }),
      () => createTokenizer(baked, generic),
    ])
      expect(failure(make)).toMatchObject({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringContaining('"padding_side"'),
      })
    expect(createTokenizer(baked, { ...generic, padding_side: 'right' }).size).toBeGreaterThan(0)
  })

  it.each([
    ['truncation_side', 'middle'],
    ['padding_side', 3],
    ['split_special_tokens', true],
    ['tokenizer_class', 7],
  ])('%s: %s is named', (key, value) => {
    expect(failure(() => createTokenizer(bert, { ...generic, [key]: value })).message).toContain(`"${key}"`)
  })
})

describe('special tokens', () => {
  const plain = { ...bert, added_tokens: [] }
  const named = { tokenizer_class: 'PreTrainedTokenizerFast' }

  it('an unset mask token is the end of sequence, else padding, else an error; none is guessed', () => {
    const { vocab: ids } = bert.model
    expect(createTokenizer(bert, { ...named, eos_token: '[SEP]', pad_token: '[PAD]' }).maskId).toBe(ids['[SEP]'])
    expect(createTokenizer(bert, { ...named, pad_token: '[PAD]' }).maskId).toBe(ids['[PAD]'])
    expect(failure(() => createTokenizer(bert, named)).message).toContain('"mask_token"')
    // A padding token that only the baked padding names.
    const padding = { direction: 'Right', strategy: 'BatchLongest', pad_id: 0, pad_type_id: 0, pad_token: '[PAD]' }
    expect(createTokenizer({ ...bert, padding }, named).maskId).toBe(ids['[PAD]'])
  })

  it('of special_tokens_map.json win, unless there is an added_tokens_decoder', () => {
    const map = { mask_token: { content: '[MASK]', lstrip: true }, additional_special_tokens: ['[unused2]'] }
    const merged = withLegacyFiles({ ...named, mask_token: '[SEP]' }, map, undefined)
    const tokenizer = createTokenizer(plain, merged)
    expect(tokenizer.maskId).toBe(bert.model.vocab['[MASK]'])
    expect([...tokenizer.encode('the  [MASK] [unused2]').ids]).toHaveLength(5)
    // lstrip: the token takes the blanks before it.
    expect([...tokenizer.encode('the  [MASK]').starts][2]).toBe(3)
    const decoded = withLegacyFiles({ ...named, mask_token: '[SEP]', added_tokens_decoder: {} }, map, undefined)
    expect(createTokenizer(plain, decoded).maskId).toBe(bert.model.vocab['[SEP]'])
  })

  it('of added_tokens_decoder, extra_special_tokens and added_tokens.json are added tokens', () => {
    const token = {
      content: '[unused2]',
      lstrip: false,
      rstrip: false,
      single_word: false,
      normalized: false,
      special: true,
    }
    const id = bert.model.vocab['[unused2]']
    for (const config of [
      { ...generic, added_tokens_decoder: { [id]: token } },
      { ...generic, extra_special_tokens: ['[unused2]'] },
      { ...generic, extra_special_tokens: { image_token: '[unused2]' } },
      withLegacyFiles(generic, undefined, { '[unused2]': id }),
    ])
      expect([...createTokenizer(plain, config).encode('[unused2]').ids].slice(1, -1)).toEqual([id])
    expect([...createTokenizer(plain, generic).encode('[unused2]').ids].length).toBeGreaterThan(3)
  })
})
