// The whole way from text to vectors, through the public API, against what PyLate recorded.
import { readdirSync, readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { readSafetensors } from '../../packages/core/src/checkpoint/safetensors.js'
import { ColBERT } from '../../packages/core/src/colbert.js'
import type { LoadOptions } from '../../packages/core/src/load-options.js'
import { maxSim } from '../../packages/core/src/scoring/maxsim.js'
import type { EncodeOptions } from '../../packages/core/src/encoder.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'

interface Case {
  id: string
  ctor: Record<string, unknown>
  encode: Record<string, unknown>
  text_indices: number[]
  n_vectors: number[]
  input_ids?: number[][]
  attention_mask?: number[][]
  kept_mask?: number[][]
  pool_stable?: boolean[]
}
interface Golden {
  ctor: Record<string, unknown>
  texts: string[]
  load: {
    dim: number
    query_length: number
    document_length: number
    skiplist_words: string[]
    attend_to_expansion_tokens: boolean
  }
  tokens: { strings: { text: string; query_ids: number[]; document_ids: number[] }[] }
  cases: Case[]
  scores: { q_text_indices: number[]; d_text_indices: number[]; exact_maxsim: number[][] }
}

const folder = fileURLToPath(new URL('../golden/pylate/', import.meta.url))
const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'model')))
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** PyLate's constructor arguments → ours. */
function loadOptions(ctor: Record<string, unknown>, name: string): LoadOptions {
  const options: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(ctor)) {
    // Serotine always computes in float32; the width of plain-tiny's projection is in its file.
    if (key === 'model_kwargs' || key === 'embedding_size') continue
    options[camel(key)] = value
  }
  if (name === 'plain-tiny') {
    const weight = readSafetensors(join(folder, name, 'projection.safetensors')).f32('linear.weight')
    options.projection = { weight, outFeatures: 16 }
  }
  return options
}

/** PyLate's encode arguments → ours, and which of the two methods. */
function encodeOptions(encode: Record<string, unknown>): { isQuery: boolean; options: EncodeOptions } {
  const { is_query: isQuery, normalize_embeddings: normalize, ...rest } = encode
  const options: Record<string, unknown> = normalize === undefined ? {} : { normalize }
  for (const [key, value] of Object.entries(rest)) options[camel(key)] = value
  return { isQuery: isQuery as boolean, options }
}

const worst = (actual: Float32Array, expected: Float32Array) => {
  expect(actual.length).toBe(expected.length)
  let delta = 0
  for (let i = 0; i < actual.length; i++) delta = Math.max(delta, Math.abs(actual[i]! - expected[i]!))
  return delta
}

it('finds the recorded checkpoints', () => expect(names.length).toBe(17))

describe.each(names)('%s', (name) => {
  const golden = JSON.parse(readFileSync(join(folder, name, 'golden.json'), 'utf8')) as Golden
  const vectors = readSafetensors(join(folder, name, 'golden.safetensors'))
  const models = new Map<string, Promise<ColBERT>>()
  const modelFor = (ctor: Record<string, unknown>) => {
    const merged = { ...golden.ctor, ...ctor }
    const key = JSON.stringify(merged)
    if (!models.has(key)) models.set(key, ColBERT.load(join(folder, name, 'model'), loadOptions(merged, name)))
    return models.get(key)!
  }
  afterAll(async () => {
    for (const model of models.values()) await (await model).close()
  })

  it('resolves the configuration PyLate resolved', async () => {
    const model = await modelFor({})
    expect(model.dim).toBe(golden.load.dim)
    expect(model.config.queryLength).toBe(golden.load.query_length)
    expect(model.config.documentLength).toBe(golden.load.document_length)
    expect(model.config.skiplistWords).toEqual(golden.load.skiplist_words)
  })

  it.each(golden.cases)('$id', async (record) => {
    const model = await modelFor(record.ctor)
    const texts = record.text_indices.map((i) => golden.texts[i]!)
    const { isQuery, options } = encodeOptions(record.encode)
    if (record.input_ids) {
      const prompt = {
        ...(options.prompt !== undefined && { prompt: options.prompt }),
        ...(options.promptName && { promptName: options.promptName }),
      }
      const inputs = texts.map((text) => (isQuery ? model.queryInput(text, prompt) : model.documentInput(text, prompt)))
      expect(inputs.map((input) => Array.from(input.ids))).toEqual(record.input_ids)
      expect(inputs.map((input) => Array.from(input.ids, (_, i) => Number(i < input.attended)))).toEqual(
        record.attention_mask,
      )
      expect(inputs.map((input) => Array.from(input.ids, (_, i) => Number(input.kept.includes(i))))).toEqual(
        record.kept_mask!.map((mask) => mask.map(Number)),
      )
    }
    const embeddings = isQuery ? await model.encodeQueries(texts, options) : await model.encodeDocuments(texts, options)
    expect(embeddings.map((matrix) => matrix.length)).toEqual(record.n_vectors)
    const expected = vectors.f32(record.id)
    let at = 0
    embeddings.forEach((matrix, i) => {
      const size = matrix.length * matrix.dim
      const rows = expected.subarray(at, at + size)
      at += size
      // Floating-point noise may flip near-ties of the clustering; the recording says where.
      if (record.pool_stable?.[i] === false) return
      expect(worst(matrix.data, rows)).toBeLessThanOrEqual(5e-5)
    })
    expect(at).toBe(expected.length)
  })

  it('cuts every recorded string into the same ids', async () => {
    const model = await modelFor({})
    expect(golden.tokens.strings.length).toBeGreaterThan(20)
    for (const { text, query_ids, document_ids } of golden.tokens.strings) {
      const query = model.queryInput(text, { prompt: '' })
      // Recorded without the expansion, where that is not attended to.
      const length = golden.load.attend_to_expansion_tokens ? query.ids.length : query.attended
      expect([text, [...query.ids.subarray(0, length)]]).toEqual([text, query_ids])
      expect([text, [...model.documentInput(text, { prompt: '' }).ids]]).toEqual([text, document_ids])
    }
  })

  it('scores as exact MaxSim does', async () => {
    const model = await modelFor({})
    const { q_text_indices, d_text_indices, exact_maxsim } = golden.scores
    const [queries, documents] = await Promise.all([
      model.encodeQueries(q_text_indices.map((i) => golden.texts[i]!)),
      model.encodeDocuments(d_text_indices.map((i) => golden.texts[i]!)),
    ])
    queries.forEach((query: TokenEmbeddings, i: number) =>
      documents.forEach((document: TokenEmbeddings, j: number) => {
        expect(Math.abs(maxSim(query, document) - exact_maxsim[i]![j]!)).toBeLessThanOrEqual(1e-3)
      }),
    )
  })

  it('gives a text the same vectors alone and in any batch', async () => {
    const model = await modelFor({})
    const together = await model.encodeDocuments(golden.texts)
    for (const [i, text] of golden.texts.entries()) {
      const [alone] = await model.encodeDocuments([text])
      expect(worst(alone!.data, together[i]!.data)).toBeLessThanOrEqual(1e-5)
    }
  })
})
