import { readFileSync } from 'node:fs'

export interface Tensor {
  shape: number[]
  f32: Float32Array
  i32: Int32Array
}

/** A safetensors file of the reference data, each tensor as floats and as integers. */
export function readTensors(file: string | URL): Map<string, Tensor> {
  const bytes = readFileSync(file)
  const headerLength = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const arrays = { F32: Float32Array, I32: Int32Array, I8: Int8Array, I64: BigInt64Array } as const
  const tensors = new Map<string, Tensor>()
  for (const [name, info] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const ArrayType = arrays[info.dtype as keyof typeof arrays]
    if (!ArrayType) throw new Error(`${name} has dtype ${info.dtype}`)
    const [begin, end] = info.data_offsets.map((offset) => offset + 8 + headerLength) as [number, number]
    const values = Array.from(new ArrayType(new Uint8Array(bytes.subarray(begin, end)).buffer), Number)
    tensors.set(name, { shape: info.shape, f32: Float32Array.from(values), i32: Int32Array.from(values) })
  }
  return tensors
}

export function readJson<T>(file: string | URL): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T
}
