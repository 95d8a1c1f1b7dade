// Checkpoints of strangers that ask for more than there is: an error, at once.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ColBERT } from '../../../packages/core/src/colbert.js'
import { readSafetensors } from '../../../packages/core/src/checkpoint/safetensors.js'
import { copyOf, editJson, readModuleList, writeJson } from './folder.js'

/** What loading fails with, and how long that takes. */
async function load(folder: string): Promise<{ code: string; message: string; ms: number; bytes: number }> {
  const [start, before] = [performance.now(), process.memoryUsage().rss]
  const error = (await ColBERT.load(folder).then(
    () => ({ code: 'none', message: '' }),
    (thrown: unknown) => thrown,
  )) as { code: string; message: string }
  return {
    code: error.code,
    message: error.message,
    ms: performance.now() - start,
    bytes: process.memoryUsage().rss - before,
  }
}

const QUICK = 2000
const LITTLE = 2 ** 28

describe.each([
  ['bert-tiny', 'num_hidden_layers', 1e6],
  ['bert-tiny', 'num_hidden_layers', 999],
  ['bert-tiny', 'hidden_size', 2 ** 40],
  ['bert-tiny', 'intermediate_size', 1e12],
  ['bert-tiny', 'max_position_embeddings', 1e9],
  ['bert-tiny', 'num_attention_heads', 1e9],
  ['modernbert-tiny', 'num_hidden_layers', 1e6],
  ['modernbert-tiny', 'num_hidden_layers', 1e9],
  ['modernbert-tiny', 'local_attention', 1e6],
  ['modernbert-tiny', 'local_attention', 0],
  ['modernbert-tiny', 'intermediate_size', 1e9],
  ['distilbert-tiny', 'n_layers', 1e6],
  ['roberta-tiny', 'pad_token_id', 1e9],
  ['roberta-tiny', 'max_position_embeddings', 2],
] as const)('%s with %s %d', (name, key, value) => {
  it('is refused quickly', async () => {
    const folder = copyOf(name)
    editJson(folder, 'config.json', { [key]: value, layer_types: undefined })
    const { code, message, ms, bytes } = await load(folder)
    expect([code, message]).toEqual([expect.stringMatching(/^MODEL_(CORRUPT|UNSUPPORTED)$/), expect.any(String)])
    expect([ms < QUICK, bytes < LITTLE]).toEqual([true, true])
  })
})

it.each([
  ['1_Dense/config.json', { in_features: 1e9 }],
  ['1_Dense/config.json', { out_features: 1e12 }],
  ['config_sentence_transformers.json', { query_length: 1e9 }],
  ['config_sentence_transformers.json', { document_length: 1e12 }],
])('%s with %j is refused quickly', async (file, change) => {
  const folder = copyOf('bert-tiny')
  editJson(folder, file, change)
  const { code, ms, bytes } = await load(folder)
  expect([code !== 'none', ms < QUICK, bytes < LITTLE]).toEqual([true, true, true])
})

it.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'modules.json', 'special_tokens_map.json'])(
  '%s nested 100,000 levels deep is refused quickly',
  async (file) => {
    const folder = copyOf('bert-tiny')
    writeFileSync(join(folder, file), `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)
    const { code, message, ms } = await load(folder)
    expect([code, message, ms < QUICK]).toEqual(['MODEL_CORRUPT', expect.stringContaining(file), true])
  },
)

it('steps of a tokenizer.json nested too deep are refused', async () => {
  const folder = copyOf('xlmr-tok-fast')
  const deep = (count: number): object =>
    count === 0 ? { type: 'NFC' } : { type: 'Sequence', normalizers: [deep(count - 1)] }
  editJson(folder, 'tokenizer.json', { normalizer: deep(25) })
  expect(await load(folder)).toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringContaining('deep') })
})

it.each(['../../etc', '/etc', '1_Dense/../../x'])('a module in %s, outside of the folder, is refused', async (path) => {
  const folder = copyOf('bert-tiny')
  writeJson(
    folder,
    'modules.json',
    readModuleList(folder).map((entry, i) => (i === 1 ? { ...entry, path } : entry)),
  )
  expect(await load(folder)).toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringContaining(path) })
})

describe('a safetensors header', () => {
  /** bert-tiny's weights with another header in front. */
  function withHeader(
    change: (header: Record<string, { data_offsets: number[]; shape: number[] }>) => unknown,
  ): string {
    const file = join(copyOf('bert-tiny'), 'model.safetensors')
    const bytes = readFileSync(file)
    const length = Number(bytes.readBigUInt64LE())
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8'))
    const changed = change(header) ?? header
    const text = Buffer.from(typeof changed === 'string' ? changed : JSON.stringify(changed))
    const start = Buffer.alloc(8)
    start.writeBigUInt64LE(BigInt(text.length))
    writeFileSync(file, Buffer.concat([start, text, bytes.subarray(8 + length)]))
    return file
  }
  const first = 'embeddings.LayerNorm.bias'
  const second = 'embeddings.LayerNorm.weight'

  it.each([
    ['two tensors that overlap', (h) => void (h[second]!.data_offsets = h[first]!.data_offsets)],
    ['bytes that belong to no tensor', (h) => void delete h[first]],
    [
      'the same name twice',
      (h) =>
        `{${JSON.stringify(first)}:${JSON.stringify(h[second])},${JSON.stringify(h).slice(1)}`.replace(
          `${JSON.stringify(second)}:`,
          '"other":',
        ),
    ],
    ['a shape whose product overflows', (h) => void (h[first]!.shape = [2 ** 40, 2 ** 40])],
    ['a negative offset', (h) => void (h[first]!.data_offsets = [-8, 120])],
    ['offsets the wrong way round', (h) => void h[first]!.data_offsets.reverse()],
    ['an end beyond the file', (h) => void (h[first]!.data_offsets = [0, 2 ** 50])],
  ] as [string, Parameters<typeof withHeader>[0]][])('with %s is refused', (_, change) => {
    expect(() => readSafetensors(withHeader(change))).toThrowError(expect.objectContaining({ code: 'MODEL_CORRUPT' }))
  })

  it('whose length is more than the file has is refused without reading so much', () => {
    const file = join(copyOf('bert-tiny'), 'model.safetensors')
    const bytes = readFileSync(file)
    bytes.writeBigUInt64LE(2n ** 62n)
    writeFileSync(file, bytes)
    expect(statSync(file).size).toBeLessThan(1e6)
    expect(() => readSafetensors(file)).toThrowError(expect.objectContaining({ code: 'MODEL_CORRUPT' }))
  })
})

it('a prefix or mask token beyond the embeddings is named', async () => {
  const folder = copyOf('bert-tiny')
  editJson(folder, 'tokenizer_config.json', { mask_token: '<never trained>' })
  expect(await load(folder)).toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringMatching(/mask_token.*<never trained>/),
  })
})
