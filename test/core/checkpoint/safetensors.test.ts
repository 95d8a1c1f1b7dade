import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  encodeSafetensors,
  openSafetensors,
  readSafetensors,
  widenBf16,
  widenF16,
  withoutPrefix,
} from '../../../packages/core/src/checkpoint/safetensors.js'
import { goldenFolder } from '../runtime/golden.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-safetensors-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** A file with any header, right or wrong. */
function withHeader(header: unknown, data = new Uint8Array(8), length?: number): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(BigInt(length ?? json.length))
  return Buffer.concat([start, json, data])
}

describe('reading', () => {
  it('finds tensors, shapes and numbers written by encodeSafetensors', () => {
    const path = file(
      'a.safetensors',
      encodeSafetensors(
        {
          weight: { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
          codes: { dtype: 'I8', shape: [3], data: Int8Array.of(-1, 0, 1) },
          empty: { dtype: 'F32', shape: [0, 4], data: new Float32Array() },
        },
        { format: 'pt' },
      ),
    )
    const tensors = readSafetensors(path)
    expect(tensors.names()).toEqual(['weight', 'codes', 'empty'])
    expect(tensors.info('weight')).toMatchObject({ dtype: 'F32', shape: [2, 3], file: path })
    expect(tensors.f32('weight')).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
    expect(tensors.f32('empty')).toHaveLength(0)
    expect(tensors.files()).toEqual([path])
    expect(tensors.info('weight').begin % 8).toBe(0)
  })

  it('reads a file as PyLate saved it', () => {
    const tensors = readSafetensors(`${goldenFolder('bert-tiny')}/model/model.safetensors`)
    const bytes = readFileSync(`${goldenFolder('bert-tiny')}/model/model.safetensors`)
    const { begin } = tensors.info('embeddings.LayerNorm.bias')
    expect(tensors.f32('embeddings.LayerNorm.bias')[0]).toBe(bytes.readFloatLE(begin))
  })

  it('knows LayerNorm.gamma and beta by their usual names too', () => {
    const tensors = readSafetensors(`${goldenFolder('bert-st-modules')}/model/model.safetensors`)
    expect(tensors.f32('embeddings.LayerNorm.weight')).toEqual(tensors.f32('embeddings.LayerNorm.gamma'))
    expect(tensors.f32('encoder.layer.1.output.LayerNorm.bias')).toEqual(
      tensors.f32('encoder.layer.1.output.LayerNorm.beta'),
    )
  })

  it('shows tensors without a prefix', () => {
    const tensors = withoutPrefix(readSafetensors(`${goldenFolder('stanford-tiny')}/model/model.safetensors`), 'bert.')
    expect(tensors.has('embeddings.LayerNorm.weight')).toBe(true)
    expect(tensors.has('linear.weight')).toBe(false)
    expect(tensors.names().some((name) => name.startsWith('bert.'))).toBe(false)
    expect(() => tensors.info('linear.weight')).toThrow(expect.objectContaining({ code: 'MODEL_CORRUPT' }))
  })

  it('joins shards by their index', async () => {
    const shards = mkdtempSync(join(folder, 'shards-'))
    writeFileSync(
      join(shards, 'model-1.safetensors'),
      encodeSafetensors({ a: { dtype: 'F32', shape: [1], data: Float32Array.of(1) } }),
    )
    writeFileSync(
      join(shards, 'model-2.safetensors'),
      encodeSafetensors({ b: { dtype: 'F32', shape: [1], data: Float32Array.of(2) } }),
    )
    const index = (map: unknown) =>
      writeFileSync(join(shards, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    index({ a: 'model-1.safetensors', b: 'model-2.safetensors' })
    const tensors = await openSafetensors(shards)
    expect([tensors.f32('a')[0], tensors.f32('b')[0]]).toEqual([1, 2])
    expect(tensors.files()).toHaveLength(2)

    index({ a: 'model-1.safetensors', b: 'model-3.safetensors' })
    await expect(openSafetensors(shards)).rejects.toMatchObject({
      code: 'MODEL_FILES_MISSING',
      message: expect.stringContaining('model-3.safetensors'),
    })
    index({ a: 'model-2.safetensors' })
    await expect(openSafetensors(shards)).rejects.toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('"a"'),
    })
    index({ a: '../model-1.safetensors' })
    await expect(openSafetensors(shards)).rejects.toMatchObject({ code: 'MODEL_CORRUPT' })
  })
})

describe('half precision is widened exactly', () => {
  it('bfloat16: every value is the upper half of its fp32', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const bits = new Uint32Array(widenBf16(all).buffer)
    expect(bits.every((value, i) => value === (i << 16) >>> 0)).toBe(true)
  })

  it('float16: every finite value by its definition, with subnormals, infinities and NaN', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const widened = widenF16(all)
    const expected = (bits: number): number => {
      const sign = bits & 0x8000 ? -1 : 1
      const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023]
      if (exponent === 31) return mantissa ? NaN : sign * Infinity
      return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
    }
    const wrong = Array.from(all).filter((bits) => !Object.is(widened[bits], expected(bits)))
    expect(wrong).toEqual([])
    expect(Object.is(widened[0x8000], -0)).toBe(true)
    expect(widened[1]).toBe(2 ** -24)
  })

  it('files of F16 and BF16 give fp32', () => {
    const path = file(
      'half.safetensors',
      encodeSafetensors({
        half: { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) },
        brain: { dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) },
      }),
    )
    const tensors = readSafetensors(path)
    expect(tensors.f32('half')).toEqual(Float32Array.of(1, -2))
    expect(tensors.f32('brain')).toEqual(Float32Array.of(1, -2))
  })
})

describe('int8 with one scale per row', () => {
  const codes = { dtype: 'I8', shape: [2, 3], data: Int8Array.of(1, -2, 3, 127, 0, -128) }

  it('gives fp32, under a prefix too', () => {
    const scale = { dtype: 'F32', shape: [2], data: Float32Array.of(0.5, 0.25) }
    const tensors = readSafetensors(
      file('int8.safetensors', encodeSafetensors({ 'bert.w': codes, 'bert.w.scale': scale })),
    )
    const numbers = Float32Array.of(0.5, -1, 1.5, 31.75, 0, -32)
    expect(tensors.f32('bert.w')).toEqual(numbers)
    expect(withoutPrefix(tensors, 'bert.').f32('w')).toEqual(numbers)
    // The scales are part of their tensor.
    expect(tensors.names()).toEqual(['bert.w'])
  })

  it('with another number of scales is damaged', () => {
    const scale = { dtype: 'F32', shape: [3], data: new Float32Array(3) }
    const tensors = readSafetensors(file('scales.safetensors', encodeSafetensors({ w: codes, 'w.scale': scale })))
    expect(() => tensors.f32('w')).toThrow(
      expect.objectContaining({
        code: 'MODEL_CORRUPT',
        message: expect.stringMatching(/2 rows and "w\.scale" 3 numbers/) as string,
      }),
    )
  })
})

describe('damage', () => {
  const whole = encodeSafetensors({ weight: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } })

  it('a truncated file names file, tensor and both sizes', () => {
    const path = file('cut.safetensors', whole)
    truncateSync(path, whole.length - 4)
    expect(() => readSafetensors(path)).toThrow(
      expect.objectContaining({
        code: 'MODEL_CORRUPT',
        message: expect.stringMatching(new RegExp(`cut\\.safetensors.*"weight".*${whole.length}.*${whole.length - 4}`)),
      }),
    )
  })

  it('a file cut after its header was read', () => {
    const path = file('later.safetensors', whole)
    const tensors = readSafetensors(path)
    truncateSync(path, whole.length - 4)
    expect(() => tensors.f32('weight')).toThrow(
      expect.objectContaining({
        code: 'MODEL_CORRUPT',
        message: expect.stringMatching(/"weight" has 8 bytes, but only 4/),
      }),
    )
  })

  it.each([
    ['empty', new Uint8Array()],
    ['seven bytes', new Uint8Array(7)],
    ['header longer than the file', withHeader({}, undefined, 5000)],
    ['absurd header length', withHeader({}, undefined, 2 ** 40)],
    ['not JSON', withHeader('{"a":')],
    ['a list', withHeader('[1,2]')],
    ['no offsets', withHeader({ a: { dtype: 'F32', shape: [1] } })],
    ['offsets backwards', withHeader({ a: { dtype: 'F32', shape: [1], data_offsets: [4, 0] } })],
    ['negative shape', withHeader({ a: { dtype: 'F32', shape: [-1], data_offsets: [0, 4] } })],
    ['shape and bytes disagree', withHeader({ a: { dtype: 'F32', shape: [3], data_offsets: [0, 4] } })],
    ['tensor behind the end', withHeader({ a: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } })],
    ['a null entry', withHeader({ a: null })],
  ])('%s', (name, content) => {
    const path = file(`bad ${name}.safetensors`, content)
    expect(() => readSafetensors(path)).toThrow(
      expect.objectContaining({ code: 'MODEL_CORRUPT', message: expect.stringContaining(path) }),
    )
  })

  it('a Git LFS pointer says what to run', () => {
    const path = file('lfs.safetensors', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')
    expect(() => readSafetensors(path)).toThrow(
      expect.objectContaining({ code: 'MODEL_CORRUPT', message: expect.stringContaining('git lfs pull') }),
    )
  })

  it('a stored type that cannot be read', () => {
    const path = file('int.safetensors', encodeSafetensors({ a: { dtype: 'I8', shape: [1], data: Int8Array.of(1) } }))
    expect(() => readSafetensors(path).f32('a')).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining('I8') }),
    )
  })

  it('no weights at all, or only a pickle', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'))
    await expect(openSafetensors(empty)).rejects.toMatchObject({ code: 'MODEL_FILES_MISSING' })
    writeFileSync(join(empty, 'pytorch_model.bin'), 'pickle')
    await expect(openSafetensors(empty)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('safe_serialization=True'),
    })
  })
})

it('encodeSafetensors refuses data that is not of the shape given', () => {
  expect(() => encodeSafetensors({ a: { dtype: 'F32', shape: [2], data: Float32Array.of(1) } })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/8 bytes, got 4/) }),
  )
  expect(() => encodeSafetensors({ a: { dtype: 'F8', shape: [1], data: Int8Array.of(1) } })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  )
})
