import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SerotineError } from '../errors.js'
import type { TensorInfo, Tensors } from './types.js'

/** Bytes per element. https://github.com/huggingface/safetensors names these types. */
const BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  U16: 2,
  U32: 4,
  U64: 8,
  BOOL: 1,
}
const MAX_HEADER = 100_000_000

/** Names that old TensorFlow conversions, and transformers 5 on save, give to LayerNorm. */
const ALIASES: readonly (readonly [RegExp, string])[] = [
  [/LayerNorm\.gamma$/, 'LayerNorm.weight'],
  [/LayerNorm\.beta$/, 'LayerNorm.bias'],
]

/**
 * Opens the weights of a folder: `model.safetensors`, or the shards named by `model.safetensors.index.json`.
 * Only headers are read.
 *
 * @throws MODEL_FILES_MISSING, MODEL_UNSUPPORTED (only `pytorch_model.bin` is there), MODEL_CORRUPT
 */
export async function openSafetensors(folder: string): Promise<SafetensorsFolder> {
  const single = join(folder, 'model.safetensors')
  if (await exists(single)) return readSafetensors(single)
  const index = join(folder, 'model.safetensors.index.json')
  if (await exists(index)) return new SafetensorsFolder(index, await readShards(folder, index))
  if (await exists(join(folder, 'pytorch_model.bin'))) {
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `${folder} has only pytorch_model.bin, a Python pickle. Convert it once in Python: ` +
        `model.save_pretrained(folder, safe_serialization=True).`,
    )
  }
  throw new SerotineError(
    'MODEL_FILES_MISSING',
    `${folder} has no model.safetensors. Copy the weights there or download the model again.`,
  )
}

/** Opens one file by name. Only the header is read. @throws MODEL_CORRUPT */
export function readSafetensors(file: string): SafetensorsFolder {
  return new SafetensorsFolder(file, readHeader(file))
}

/** Tensors of one `.safetensors` file or of a sharded folder, read by byte range when asked for. */
export class SafetensorsFolder implements Tensors {
  readonly #tensors: ReadonlyMap<string, TensorInfo>

  constructor(
    readonly name: string,
    tensors: ReadonlyMap<string, TensorInfo>,
  ) {
    const named = new Map(tensors)
    for (const [tensor, info] of tensors) {
      for (const [pattern, usual] of ALIASES) {
        if (pattern.test(tensor)) named.set(tensor.replace(pattern, usual), info)
      }
    }
    this.#tensors = named
  }

  /** Without the scales of int8 tensors, which are part of them. */
  names(): string[] {
    const isScale = (name: string) =>
      name.endsWith('.scale') && this.#tensors.get(name.slice(0, -'.scale'.length))?.dtype === 'I8'
    return [...this.#tensors.keys()].filter((name) => !isScale(name))
  }

  has(name: string): boolean {
    return this.#tensors.has(name)
  }

  info(name: string): TensorInfo {
    const info = this.#tensors.get(name)
    if (!info)
      throw new SerotineError(
        'MODEL_CORRUPT',
        `${this.name} has no tensor "${name}". The file belongs to another model or is incomplete.`,
      )
    return info
  }

  f32(name: string): Float32Array {
    const info = this.info(name)
    const bytes = readRange(info, name)
    if (info.dtype === 'F32') return new Float32Array(bytes.buffer)
    if (info.dtype === 'BF16') return widenBf16(new Uint16Array(bytes.buffer))
    if (info.dtype === 'F16') return widenF16(new Uint16Array(bytes.buffer))
    if (info.dtype === 'I8' && this.has(`${name}.scale`)) return this.#scaled(name, info, new Int8Array(bytes.buffer))
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `Tensor "${name}" of ${this.name} is stored as ${info.dtype}; F32, F16, BF16, and I8 with a "${name}.scale" ` +
        'of F32, one per row, can be read. Save the model in one of these.',
    )
  }

  /** int8 codes with one scale per row: a quarter of fp32, as the embedded model is shipped. */
  #scaled(name: string, { shape }: TensorInfo, codes: Int8Array): Float32Array {
    const scales = this.f32(`${name}.scale`)
    const rows = shape[0] ?? 1
    if (scales.length !== rows) {
      throw new SerotineError(
        'MODEL_CORRUPT',
        `Tensor "${name}" of ${this.name} has ${rows} rows and "${name}.scale" ${scales.length} numbers; it must have one per row.`,
      )
    }
    const width = codes.length / rows
    const numbers = new Float32Array(codes.length)
    for (let i = 0; i < codes.length; i++) numbers[i] = codes[i]! * scales[Math.floor(i / width)]!
    return numbers
  }

  /** Paths of the files that hold the tensors, each once. */
  files(): string[] {
    return [...new Set([...this.#tensors.values()].map((info) => info.file!))]
  }
}

/** The same tensors under shorter names: those that start with `prefix`, without it. */
export function withoutPrefix(tensors: Tensors, prefix: string): Tensors {
  if (prefix === '') return tensors
  return {
    name: tensors.name,
    names: () =>
      tensors
        .names()
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length)),
    has: (name) => tensors.has(prefix + name),
    info: (name) => tensors.info(prefix + name),
    f32: (name) => tensors.f32(prefix + name),
  }
}

/** Tensors that exist only in memory, e.g. a projection given by the caller. */
export function memoryTensors(
  name: string,
  tensors: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>,
): Tensors {
  const find = (tensor: string) => {
    const found = tensors[tensor]
    if (!found) throw new SerotineError('MODEL_CORRUPT', `${name} has no tensor "${tensor}".`)
    return found
  }
  return {
    name,
    names: () => Object.keys(tensors),
    has: (tensor) => tensor in tensors,
    info: (tensor) => ({
      dtype: 'F32',
      shape: find(tensor).shape,
      file: undefined,
      begin: 0,
      end: find(tensor).data.byteLength,
    }),
    f32: (tensor) => find(tensor).data,
  }
}

/**
 * Writes tensors in the safetensors format, in the order given.
 *
 * @param tensors by name: `dtype` as the format names it (`F32`, `F16`, `BF16`, `I8` …), and the numbers, row-major, in that type
 * @param metadata strings for the header's `__metadata__`
 * @throws INVALID_ARGUMENT for an unknown type, or when the bytes are not those of the shape
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, { dtype: string; shape: readonly number[]; data: ArrayBufferView }>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {}
  let offset = 0
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    const expected = byteLength(dtype, shape)
    if (data.byteLength !== expected) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `Tensor "${name}" of ${dtype} [${shape.join(' × ')}] takes ${expected} bytes, got ${data.byteLength}.`,
      )
    }
    header[name] = { dtype, shape, data_offsets: [offset, offset + expected] }
    offset += expected
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  // Blanks align the data to 8 bytes, as the reference writer does.
  const dataStart = 8 + Math.ceil(json.length / 8) * 8
  const file = new Uint8Array(dataStart + offset)
  new DataView(file.buffer).setBigUint64(0, BigInt(dataStart - 8), true)
  file.fill(0x20, 8 + json.length, dataStart).set(json, 8)
  let position = dataStart
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position)
    position += data.byteLength
  }
  return file
}

/** bfloat16 is the upper half of an fp32 number. */
export function widenBf16(source: Uint16Array): Float32Array {
  const bits = new Uint32Array(source.length)
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16
  return new Float32Array(bits.buffer)
}

/** IEEE half precision → fp32, exact for every value: subnormals, infinities and NaN too. */
export function widenF16(source: Uint16Array): Float32Array {
  const bits = new Uint32Array(source.length)
  const numbers = new Float32Array(bits.buffer)
  for (let i = 0; i < source.length; i++) {
    const half = source[i]!
    const sign = (half & 0x8000) << 16
    const exponent = (half >> 10) & 31
    const mantissa = half & 1023
    if (exponent === 0) numbers[i] = (sign ? -1 : 1) * mantissa * 2 ** -24
    else if (exponent === 31) bits[i] = sign | 0x7f800000 | (mantissa << 13)
    else bits[i] = sign | ((exponent + 112) << 23) | (mantissa << 13)
  }
  return numbers
}

function readHeader(file: string): Map<string, TensorInfo> {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const start = Buffer.alloc(8)
    const bytesRead = readSync(descriptor, start, 0, 8, 0)
    if (start.toString('latin1') === 'version ') {
      throw new SerotineError(
        'MODEL_CORRUPT',
        `${file} is a Git LFS pointer, not the weights. Run "git lfs pull" in that folder.`,
      )
    }
    const headerBytes = bytesRead === 8 ? Number(start.readBigUInt64LE()) : 0
    if (headerBytes < 2 || headerBytes > MAX_HEADER || 8 + headerBytes > size) {
      throw corrupt(file, `its header should take ${headerBytes} bytes, but the file has ${size}`)
    }
    const json = Buffer.alloc(headerBytes)
    readSync(descriptor, json, 0, headerBytes, 8)
    return parseHeader(file, json.toString('utf8'), 8 + headerBytes, size)
  } finally {
    closeSync(descriptor)
  }
}

function parseHeader(file: string, json: string, dataStart: number, size: number): Map<string, TensorInfo> {
  let header: unknown
  try {
    header = JSON.parse(json)
  } catch (cause) {
    throw corrupt(file, 'its header is not JSON', cause)
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw corrupt(file, 'its header is not a JSON object')
  const tensors = new Map<string, TensorInfo>()
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const {
      dtype,
      shape,
      data_offsets: offsets,
    } = (entry ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
    if (
      typeof dtype !== 'string' ||
      !isSizes(shape) ||
      !isSizes(offsets) ||
      offsets.length !== 2 ||
      offsets[0]! > offsets[1]!
    ) {
      throw corrupt(file, `the header entry of tensor "${name}" is malformed`)
    }
    const [begin, end] = [dataStart + offsets[0]!, dataStart + offsets[1]!]
    if (end > size) throw corrupt(file, `tensor "${name}" ends at byte ${end}, but the file has ${size} bytes`)
    if (dtype in BYTES && end - begin !== byteLength(dtype, shape)) {
      throw corrupt(
        file,
        `tensor "${name}", ${dtype} [${shape.join(' × ')}], takes ${byteLength(dtype, shape)} bytes ` +
          `but the file holds ${end - begin}`,
      )
    }
    tensors.set(name, { dtype, shape, file, begin, end })
  }
  // JSON.parse keeps the last of two equal names without a word.
  if (json.split('"data_offsets"').length - 1 > tensors.size) throw corrupt(file, 'its header names a tensor twice')
  checkLayout(file, tensors, dataStart, size)
  return tensors
}

/** As in the reference reader: tensors lie one after another, without gaps, to the end of the file. */
function checkLayout(file: string, tensors: ReadonlyMap<string, TensorInfo>, dataStart: number, size: number): void {
  let at = dataStart
  for (const [name, { begin, end }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) {
      throw corrupt(
        file,
        `tensor "${name}" starts at byte ${begin}, where the one before ends at ${at}; two overlap, or bytes belong to none`,
      )
    }
    at = end
  }
  if (at !== size) throw corrupt(file, `its tensors end at byte ${at} and the file has ${size}`)
}

async function readShards(folder: string, index: string): Promise<Map<string, TensorInfo>> {
  let places: unknown
  try {
    places = (JSON.parse(await readFile(index, 'utf8')) as { weight_map?: unknown } | null)?.weight_map
  } catch (cause) {
    throw corrupt(index, 'it is not JSON', cause)
  }
  if (typeof places !== 'object' || places === null) throw corrupt(index, 'it has no weight_map')
  const tensors = new Map<string, TensorInfo>()
  const shards = new Map<string, Map<string, TensorInfo>>()
  for (const [name, shard] of Object.entries(places) as [string, unknown][]) {
    if (typeof shard !== 'string' || shard !== basename(shard))
      throw corrupt(index, `tensor "${name}" names no file in its folder`)
    const file = join(folder, shard)
    if (!shards.has(shard)) {
      if (!(await exists(file)))
        throw new SerotineError(
          'MODEL_FILES_MISSING',
          `${index} names ${shard}, which is not in ${folder}. Download the model again.`,
        )
      shards.set(shard, readHeader(file))
    }
    const info = shards.get(shard)!.get(name)
    if (!info) throw corrupt(file, `the index says it holds tensor "${name}", but it does not`)
    tensors.set(name, info)
  }
  return tensors
}

/** A buffer of its own holding one tensor, so that typed arrays over it are aligned. */
function readRange({ file, begin, end }: TensorInfo, name: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(end - begin)
  const descriptor = openSync(file!, 'r')
  try {
    let read = 0
    while (read < bytes.length) {
      const count = readSync(descriptor, bytes, read, Math.min(bytes.length - read, 2 ** 30), begin + read)
      if (count === 0)
        throw corrupt(file!, `tensor "${name}" has ${bytes.length} bytes, but only ${read} could be read`)
      read += count
    }
  } finally {
    closeSync(descriptor)
  }
  return bytes
}

function byteLength(dtype: string, shape: readonly number[]): number {
  const size = BYTES[dtype]
  if (size === undefined)
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `Unknown tensor type "${dtype}". Known: ${Object.keys(BYTES).join(', ')}.`,
    )
  return shape.reduce((product, n) => product * n, size)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}

function corrupt(file: string, what: string, cause?: unknown): SerotineError {
  return new SerotineError(
    'MODEL_CORRUPT',
    `${file} is damaged: ${what}. Download or copy it again.`,
    cause === undefined ? {} : { cause },
  )
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
