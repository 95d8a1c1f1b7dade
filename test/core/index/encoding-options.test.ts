import { expect, it } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { EncodeOptions, Encoder } from '../../../packages/core/src/encoder.js'

/** Remembers the options of each call; one token per text. */
function recordingEncoder() {
  const calls: EncodeOptions[] = []
  const encode = async (texts: readonly string[], options: EncodeOptions = {}) => {
    calls.push(options)
    return texts.map(() => ({ data: Float32Array.of(1, 0), length: 1, dim: 2 }))
  }
  const encoder: Encoder = {
    dim: 2,
    fingerprint: 'f',
    name: 'recorder',
    encodeQueries: encode,
    encodeDocuments: encode,
  }
  return { calls, encoder }
}

it('hands prompts and pooling on to the model, and encodes a text again when they change', async () => {
  const { calls, encoder } = recordingEncoder()
  const index = await MultiVectorIndex.open(undefined, { model: encoder })
  const documents = [{ id: 'a', text: 'text' }]
  await index.upsert(documents, { promptName: 'document', poolFactor: 2, protectedTokens: 0 })
  expect(calls.at(-1)).toMatchObject({ promptName: 'document', poolFactor: 2, protectedTokens: 0 })
  expect(await index.upsert(documents, { promptName: 'document', poolFactor: 2, protectedTokens: 0 })).toMatchObject({
    unchanged: 1,
  })
  expect(await index.upsert(documents, { poolFactor: 3 })).toMatchObject({ updated: 1 })
  expect(await index.upsert(documents)).toMatchObject({ updated: 1 })
  expect(calls).toHaveLength(3)
  await index.search('query', { prompt: 'Find: ' })
  expect(calls.at(-1)).toMatchObject({ prompt: 'Find: ' })
  const embeddings = { data: Float32Array.of(1, 0), length: 1, dim: 2 }
  await expect(index.search(embeddings, { promptName: 'query' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await index.close()
})

it.each([
  ['too few matrices', [], 'EMBEDDINGS_SHAPE'],
  ['nothing', undefined, 'EMBEDDINGS_SHAPE'],
  ['a hole', [undefined], 'EMBEDDINGS_SHAPE'],
  ['another dimension', [{ data: new Float32Array(3), length: 1, dim: 3 }], 'DIM_MISMATCH'],
  ['NaN', [{ data: Float32Array.of(NaN, 0), length: 1, dim: 2 }], 'NOT_FINITE'],
])('refuses a model that gives %s, and keeps what it has', async (_, output, code) => {
  const { encoder } = recordingEncoder()
  const index = await MultiVectorIndex.open(undefined, { model: encoder })
  await index.upsert([{ id: 'a', text: 'text' }])
  encoder.encodeDocuments = encoder.encodeQueries = async () => output as never
  await expect(index.upsert([{ id: 'b', text: 'text' }])).rejects.toMatchObject({ code })
  await expect(index.search('query')).rejects.toMatchObject({ code })
  expect([await index.has('a'), await index.has('b')]).toEqual([true, false])
  await index.close()
})
