// transformers.js beside us: its AutoTokenizer as `tokenizer`, against what PyLate recorded and against our own tokenizers.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ColBERT } from '../../../packages/core/src/colbert.js'
import type { Warning } from '../../../packages/core/src/errors.js'
import { wrapTokenizer } from '../../../packages/core/src/text/external-tokenizer.js'
import type { ExternalTokenizer } from '../../../packages/core/src/text/external-tokenizer.js'
import { Template } from '../../../packages/core/src/text/template.js'
import { createTokenizer } from '../../../packages/core/src/text/tokenizer.js'
import { copyOf, editJson } from '../checkpoint/folder.js'
import { goldens, mask, NAMES, readGoldenTexts, readJson, textConfig, tokenizerFolder } from './golden-texts.js'

/** Where transformers.js gives other ids than PyLate. It knows the prefixes as vocabulary items, not as added tokens. */
const PREFIX_AS_TEXT = ['[unused0]', '[unused1]x', '[UNUSED0]']
const KNOWN_DIVERGENCE: Readonly<Record<string, readonly string[]>> = {
  'stanford-tiny': PREFIX_AS_TEXT,
  'plain-tiny': PREFIX_AS_TEXT,
  // JavaScript's toLowerCase makes the last Σ of a word ς; Rust's tokenizers makes it σ.
  minilm: ['ΟΔΟΣ', ...PREFIX_AS_TEXT],
}

describe.each(['@huggingface/transformers', 'transformers-oldest'])('AutoTokenizer of %s', (library) => {
  let AutoTokenizer: (typeof import('@huggingface/transformers'))['AutoTokenizer']
  beforeAll(async () => {
    const transformers = (await import(library)) as typeof import('@huggingface/transformers')
    transformers.env.allowRemoteModels = false
    AutoTokenizer = transformers.AutoTokenizer
  })

  describe.each(NAMES)('on %s', (name) => {
    const golden = readGoldenTexts(name)
    const folder = tokenizerFolder(name)
    const wrapped = async () => wrapTokenizer(await AutoTokenizer.from_pretrained(folder))

    it('has the special tokens, prefixes, padding and skiplist that PyLate has', async () => {
      const tokenizer = await wrapped()
      const config = textConfig(golden.load)
      const exact = await createTokenizer(
        readJson(join(folder, 'tokenizer.json')),
        readJson(join(folder, 'tokenizer_config.json')),
      )
      const facts = ({ clsId, sepId, maskId, unkId, leading, trailing, size }: typeof tokenizer) => ({
        clsId,
        sepId,
        maskId,
        unkId,
        leading,
        trailing,
        size,
      })
      expect(facts(tokenizer)).toEqual(facts(exact))
      expect(tokenizer.maskId).toBe(golden.load.pad_token_id)
      expect(tokenizer.tokenToId(config.queryPrefix) ?? null).toBe(golden.load.query_prefix_id)
      expect(tokenizer.tokenToId(config.documentPrefix) ?? null).toBe(golden.load.document_prefix_id)
      expect(config.skiplistWords.map((word) => tokenizer.tokenToId(word) ?? tokenizer.unkId)).toEqual(
        golden.load.skiplist_ids,
      )
    })

    it('gives the recorded ids of every string but those listed', async () => {
      const template = new Template(await wrapped(), textConfig(golden.load))
      const other: string[] = []
      for (const { text, query_ids, document_ids } of golden.tokens.strings) {
        const query = template.query(text, { prompt: '' })
        const length = golden.load.attend_to_expansion_tokens ? query_ids.length : query.attended
        const same =
          String(template.document(text, { prompt: '' }).ids) === String(document_ids) &&
          String(query.ids.subarray(0, length)) === String(query_ids)
        if (!same) other.push(text)
      }
      expect(golden.tokens.strings.length).toBeGreaterThan(20)
      expect(other.toSorted()).toEqual([...(KNOWN_DIVERGENCE[name] ?? [])].sort())
    })

    it('gives the recorded ids, attention and kept vectors of every case: prompts, lengths, expansion, skiplists', async () => {
      const tokenizer = await wrapped()
      const stored = readJson(join(folder, 'config_sentence_transformers.json'))
      const cases = golden.cases.filter((one) => one.input_ids)
      expect(cases.length).toBeGreaterThan(0)
      let compared = 0
      for (const one of cases) {
        const template = new Template(
          tokenizer,
          textConfig(golden.load, one.ctor, name === 'minilm' ? undefined : stored),
        )
        const { prompt, prompt_name: promptName } = one.encode
        const choice = { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
        one.text_indices.forEach((index, i) => {
          const text = golden.texts[index]!
          if (KNOWN_DIVERGENCE[name] && /\[unused\d\]/i.test(text)) return
          compared++
          const input = one.encode.is_query ? template.query(text, choice) : template.document(text, choice)
          const { length } = input.ids
          expect([one.id, text, [...input.ids]]).toEqual([one.id, text, one.input_ids![i]])
          expect(mask(length, Array.from({ length: input.attended }).keys())).toEqual(one.attention_mask![i])
          expect(mask(length, input.kept)).toEqual(one.kept_mask![i])
        })
      }
      expect(compared).toBeGreaterThan(cases.length)
    })

    it('gives tokens the characters they came from, as our own tokenizer does', async () => {
      const exact = await createTokenizer(
        readJson(join(folder, 'tokenizer.json')),
        readJson(join(folder, 'tokenizer_config.json')),
      )
      const config = textConfig(golden.load)
      const [theirs, ours] = [new Template(await wrapped(), config), new Template(exact, config)]
      const text = '  Café naïve STRANGERS: embeddings, doesn’t! ﬁne Îles 1,234.5'
      const words = ({ starts, ends }: ReturnType<Template['document']>) =>
        // A blank that is a token of its own has nothing to show.
        Array.from(starts, (start, i) => text.slice(start, ends[i]).trim())
      expect(words(theirs.document(text)).length).toBeGreaterThan(10)
      expect(words(theirs.document(text))).toEqual(words(ours.document(text)))
    })
  })

  describe('in ColBERT.load', () => {
    const bertTiny = join(goldens, 'bert-tiny/model')
    const long = 'The kiwi is a bird of New Zealand that cannot fly, unlike the tern. '.repeat(200)

    it('changes no vector, no cut and no explanation', async () => {
      const warnings: Warning[] = []
      const onWarning = (warning: Warning) => warnings.push(warning)
      const tokenizer = await AutoTokenizer.from_pretrained(bertTiny)
      await using theirs = await ColBERT.load(bertTiny, { tokenizer, onWarning })
      await using ours = await ColBERT.load(bertTiny, { onWarning })
      const texts = ['flightless birds', long, '']
      expect(await theirs.encodeDocuments(texts)).toEqual(await ours.encodeDocuments(texts))
      expect(await theirs.encodeQueries(texts)).toEqual(await ours.encodeQueries(texts))
      expect(theirs.documentInput(long).cut).toBeGreaterThan(1000)
      expect(theirs.documentInput(long)).toEqual(ours.documentInput(long))
      // The same twice: of documents, then of queries.
      expect(warnings[0]).toEqual(warnings[1])
      expect(warnings[2]).toEqual(warnings[3])
      expect(warnings.map(({ code }) => code)).toEqual(Array.from({ length: 4 }, () => 'TRUNCATED'))
      expect(await theirs.explain('flightless birds', 'A kiwi is a bird.')).toEqual(
        await ours.explain('flightless birds', 'A kiwi is a bird.'),
      )
    })

    it('stands in for a tokenizer.json that is missing or cannot be run', async () => {
      const tokenizer = await AutoTokenizer.from_pretrained(bertTiny)
      await using ours = await ColBERT.load(bertTiny)
      const expected = await ours.encodeDocuments(['A kiwi is a bird.'])
      const folder = copyOf('bert-tiny')
      editJson(folder, 'tokenizer.json', { model: { type: 'Morpheme', vocab: {} } })
      // A BertTokenizer would be built from its own class, whatever tokenizer.json says.
      editJson(folder, 'tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast' })
      await expect(ColBERT.load(folder)).rejects.toMatchObject({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringMatching(/"Morpheme".*AutoTokenizer/),
      })
      await using unknown = await ColBERT.load(folder, { tokenizer })
      expect(await unknown.encodeDocuments(['A kiwi is a bird.'])).toEqual(expected)

      for (const file of ['tokenizer.json', 'tokenizer_config.json', 'vocab.txt'])
        rmSync(join(folder, file), { force: true })
      await expect(ColBERT.load(folder)).rejects.toMatchObject({
        code: 'MODEL_FILES_MISSING',
        message: expect.stringContaining('`tokenizer`'),
      })
      await using missing = await ColBERT.load(folder, { tokenizer })
      expect(await missing.encodeDocuments(['A kiwi is a bird.'])).toEqual(expected)
    })

    it('is part of the fingerprint, each by what it does', async () => {
      const load = async (tokenizer?: ExternalTokenizer) => {
        await using model = await ColBERT.load(bertTiny, tokenizer ? { tokenizer } : {})
        return model.fingerprint
      }
      const tokenizer = await AutoTokenizer.from_pretrained(bertTiny)
      const vocabulary = tokenizer.get_vocab()
      const like = (changes: Partial<ExternalTokenizer>): ExternalTokenizer => ({
        encode: (text) => tokenizer.encode(text),
        get_vocab: () => vocabulary,
        mask_token: '[MASK]',
        ...changes,
      })
      const one = await load(tokenizer)
      expect(await load(await AutoTokenizer.from_pretrained(bertTiny))).toBe(one)
      expect(await load(like({}))).toBe(one)
      const swapped = new Map(vocabulary).set('a', vocabulary.get('b')!).set('b', vocabulary.get('a')!)
      const lowered = (text: string) => tokenizer.encode(text.replaceAll('QUICK', 'slow'))
      const all = [
        await load(),
        one,
        await load(like({ get_vocab: () => swapped })),
        await load(like({ encode: lowered })),
      ]
      expect(new Set(all).size).toBe(all.length)
    })

    it('of another model is told from ours by ids without an embedding', async () => {
      const tokenizer = await AutoTokenizer.from_pretrained(tokenizerFolder('minilm'))
      await using model = await ColBERT.load(join(goldens, 'stanford-tiny/model'), { tokenizer })
      await expect(model.encodeQueries(['flightless birds'])).rejects.toMatchObject({
        code: 'MODEL_CORRUPT',
        message: expect.stringContaining('belongs to another model'),
      })
    })
  })

  it('is a function with methods, and is taken as it is', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(tokenizerFolder('minilm'))
    expect(typeof tokenizer).toBe('function')
    expect([...wrapTokenizer(tokenizer).encode('hello world').ids]).toEqual([101, 7592, 2088, 102])
  })

  it('is asked for when something else is passed', async () => {
    const promise = AutoTokenizer.from_pretrained(tokenizerFolder('minilm'))
    const tokenizer = await promise
    const fails = (value: unknown, message: RegExp) =>
      expect(() => wrapTokenizer(value as ExternalTokenizer)).toThrowError(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
      )
    fails(promise, /got a promise \(await it first\)/)
    fails(AutoTokenizer, /got a function\. Pass what AutoTokenizer\.from_pretrained/)
    fails('bert-base-uncased', /got "bert-base-uncased"/)
    fails(null, /got null/)
    fails(() => tokenizer('a'), /encode\(text\) method, got a function/)
    const get_vocab = () => tokenizer.get_vocab()
    fails({ encode: (text: string) => tokenizer.encode(text) }, /get_vocab\(\)/)
    fails({ get_vocab, encode: (text: string) => tokenizer(text) }, /array of token ids, got an object/)
    fails({ get_vocab, encode: async (text: string) => tokenizer.encode(text) }, /got a promise/)
    fails({ get_vocab, encode: (text: string) => tokenizer.tokenize(text) }, /token ids, got "a" at 0/)
    fails({ get_vocab, encode: () => undefined }, /got undefined/)
    await expect(ColBERT.load(undefined, { tokenizer: promise as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('may give bigints', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(tokenizerFolder('minilm'))
    const wrapped = wrapTokenizer({
      get_vocab: () => tokenizer.get_vocab(),
      encode: (text) => BigInt64Array.from(tokenizer.encode(text), BigInt) as never,
      mask_token: '[MASK]',
    })
    expect([...wrapped.encode('hello world').ids]).toEqual([101, 7592, 2088, 102])
  })
})
