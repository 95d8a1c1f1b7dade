// Ids and masks that PyLate recorded: exact, for every golden.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Template } from '../../../packages/core/src/text/template.js'
import type { TextConfig } from '../../../packages/core/src/text/template.js'
import { createTokenizer, tokenizerJsonFromVocab } from '../../../packages/core/src/text/tokenizer.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const goldens = join(root, 'test/golden/pylate')
const microModel = join(root, 'packages/model-micro/model')
const NAMES = [
  'bert-tiny',
  'bert-st-modules',
  'stanford-tiny',
  'plain-tiny',
  'minilm',
  'modernbert-tiny',
  'modernbert-tiny-wrong-residual',
  'modernbert-tiny-bf16',
  'modernbert-residual-linear',
]

interface Golden {
  texts: string[]
  load: Record<string, unknown> & {
    skiplist_ids: number[]
    query_prefix_id: number | null
    document_prefix_id: number | null
    pad_token_id: number
  }
  cases: {
    id: string
    ctor: Record<string, unknown>
    encode: { is_query: boolean; prompt?: string; prompt_name?: string }
    text_indices: number[]
    n_vectors: number[]
    input_ids?: number[][]
    attention_mask?: number[][]
    kept_mask?: number[][]
  }[]
  tokens: { strings: { text: string; query_ids: number[]; document_ids: number[] }[] }
}

const readJson = (path: string) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined)

/** The golden's resolved settings, with the case's overrides, as our configuration. */
function textConfig(
  load: Golden['load'],
  ctor: Record<string, unknown> = {},
  stored: Record<string, unknown> = {},
): TextConfig {
  const value = (key: string) => (ctor[key] ?? load[key]) as never
  return {
    queryPrefix: value('query_prefix'),
    documentPrefix: value('document_prefix'),
    queryLength: value('query_length'),
    documentLength: value('document_length'),
    doQueryExpansion: value('do_query_expansion'),
    // What was resolved is false without expansion; a case may switch expansion on, and then the stored flag counts.
    attendToExpansionTokens: (ctor.attend_to_expansion_tokens ??
      stored.attend_to_expansion_tokens ??
      load.attend_to_expansion_tokens) as boolean,
    skiplistWords: value('skiplist_words'),
    doLowerCase: load.do_lower_case as boolean,
    prompts: value('prompts'),
    defaultPromptName: load.default_prompt_name as string | null,
  }
}

async function templateOf(name: string, golden: Golden, ctor: Record<string, unknown> = {}) {
  // The minilm golden has no folder; its tokenizer is BERT's uncased one, as the embedded model's.
  const folder = name === 'minilm' ? microModel : join(goldens, name, 'model')
  const stored = name === 'minilm' ? undefined : readJson(join(folder, 'config_sentence_transformers.json'))
  const config = textConfig(golden.load, ctor, stored)
  const tokenizer = createTokenizer(
    readJson(join(folder, 'tokenizer.json')),
    readJson(join(folder, 'tokenizer_config.json')),
    { addedTokens: [config.queryPrefix, config.documentPrefix] },
  )
  return { tokenizer, config, template: new Template(tokenizer, config) }
}

const mask = (length: number, positions: Iterable<number>) => {
  const bits = Array.from({ length }, () => 0)
  for (const i of positions) bits[i] = 1
  return bits
}

describe.each(NAMES)('%s', (name) => {
  const golden = readJson(join(goldens, name, 'golden.json')) as Golden

  it('resolves prefixes, padding and skiplist to the same ids', async () => {
    const { tokenizer, config } = await templateOf(name, golden)
    expect(tokenizer.tokenToId(config.queryPrefix) ?? null).toBe(golden.load.query_prefix_id)
    expect(tokenizer.tokenToId(config.documentPrefix) ?? null).toBe(golden.load.document_prefix_id)
    expect(tokenizer.maskId).toBe(golden.load.pad_token_id)
    expect(config.skiplistWords.map((word) => tokenizer.tokenToId(word) ?? tokenizer.unkId)).toEqual(
      golden.load.skiplist_ids,
    )
  })

  it('cuts every recorded string into the same ids', async () => {
    const { template } = await templateOf(name, golden)
    expect(golden.tokens.strings.length).toBeGreaterThan(20)
    for (const { text, query_ids, document_ids } of golden.tokens.strings) {
      const query = template.query(text, { prompt: '' })
      const withoutExpansion = golden.load.attend_to_expansion_tokens ? query_ids.length : query.attended
      expect([text, [...query.ids.subarray(0, withoutExpansion)]]).toEqual([text, query_ids])
      expect([text, [...template.document(text, { prompt: '' }).ids]]).toEqual([text, document_ids])
    }
  })

  const cases = golden.cases.filter((one) => one.input_ids)
  it.each(cases.map((one) => [one.id, one] as const))('%s: ids, attention and kept vectors', async (_, one) => {
    const { template } = await templateOf(name, golden, one.ctor)
    const { prompt, prompt_name: promptName } = one.encode
    const choice = { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
    one.text_indices.forEach((index, i) => {
      const text = golden.texts[index]!
      const input = one.encode.is_query ? template.query(text, choice) : template.document(text, choice)
      const { length } = input.ids
      expect([text, [...input.ids]]).toEqual([text, one.input_ids![i]])
      expect(mask(length, Array.from({ length: input.attended }).keys())).toEqual(one.attention_mask![i])
      expect(mask(length, input.kept)).toEqual(one.kept_mask![i])
      expect(input.kept.length).toBe(one.n_vectors[i])
    })
  })
})

it('builds the same tokenizer from vocab.txt alone', async () => {
  const golden = readJson(join(goldens, 'stanford-tiny/golden.json')) as Golden
  const folder = join(goldens, 'stanford-tiny/model')
  const config = readJson(join(folder, 'tokenizer_config.json'))
  const json = tokenizerJsonFromVocab(readFileSync(join(folder, 'vocab.txt'), 'utf8'), config)
  const { queryPrefix, documentPrefix } = textConfig(golden.load)
  const tokenizer = createTokenizer(json, config, { addedTokens: [queryPrefix, documentPrefix] })
  const template = new Template(tokenizer, textConfig(golden.load))
  for (const { text, document_ids } of golden.tokens.strings)
    expect([...template.document(text).ids]).toEqual(document_ids)
})
