// Ids and masks that PyLate recorded: exact, for every golden.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Template } from '../../../packages/core/src/text/template.js'
import { createTokenizer, tokenizerJsonFromVocab } from '../../../packages/core/src/text/tokenizer.js'
import { goldens, mask, NAMES, readGoldenTexts, readJson, textConfig, tokenizerFolder } from './golden-texts.js'
import type { Golden } from './golden-texts.js'

async function templateOf(name: string, golden: Golden, ctor: Record<string, unknown> = {}) {
  const folder = tokenizerFolder(name)
  const stored = name === 'minilm' ? undefined : readJson(join(folder, 'config_sentence_transformers.json'))
  const config = textConfig(golden.load, ctor, stored)
  const tokenizer = createTokenizer(
    readJson(join(folder, 'tokenizer.json')),
    readJson(join(folder, 'tokenizer_config.json')),
    { addedTokens: [config.queryPrefix, config.documentPrefix] },
  )
  return { tokenizer, config, template: new Template(tokenizer, config) }
}

describe.each(NAMES)('%s', (name) => {
  const golden = readGoldenTexts(name)

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
  const golden = readGoldenTexts('stanford-tiny')
  const folder = join(goldens, 'stanford-tiny/model')
  const config = readJson(join(folder, 'tokenizer_config.json'))
  const json = tokenizerJsonFromVocab(readFileSync(join(folder, 'vocab.txt'), 'utf8'), config)
  const { queryPrefix, documentPrefix } = textConfig(golden.load)
  const tokenizer = createTokenizer(json, config, { addedTokens: [queryPrefix, documentPrefix] })
  const template = new Template(tokenizer, textConfig(golden.load))
  for (const { text, document_ids } of golden.tokens.strings)
    expect([...template.document(text).ids]).toEqual(document_ids)
})
