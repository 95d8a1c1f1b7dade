import { bytes, floatBytes, floatsOf, integer, text } from './wire.js'
import type { BinaryReader, BinaryWriter } from './wire.js'
import { readInner } from './wire.js'

/** One vector, or with `dim` the rows of a multi-vector, `[data.length / dim × dim]`. */
export interface NamedVector {
  readonly name: string
  readonly data: Float32Array
  /** Components of a row. Absent: the vector is one. */
  readonly dim?: number
}

const SINGLE_FP32 = 1
const MULTI_FP32 = 2

/** Message Vectors of weaviate.v1. Rows of a multi-vector follow their dimension, a uint16. */
export function writeVector(writer: BinaryWriter, { name, data, dim }: NamedVector): void {
  if (name !== '') text(writer, 1, name)
  if (dim === undefined) {
    bytes(writer, 3, floatBytes(data))
    integer(writer, 4, SINGLE_FP32)
    return
  }
  const packed = new Uint8Array(2 + data.byteLength)
  new DataView(packed.buffer).setUint16(0, dim, true)
  packed.set(floatBytes(data), 2)
  bytes(writer, 3, packed)
  integer(writer, 4, MULTI_FP32)
}

export function readVector(reader: BinaryReader): NamedVector {
  let name = ''
  let packed = new Uint8Array()
  let type = SINGLE_FP32
  readInner(reader, {
    1: (inner) => (name = inner.string()),
    3: (inner) => (packed = inner.bytes() as typeof packed),
    4: (inner) => (type = inner.int32()),
  })
  if (type !== MULTI_FP32) return { name, data: floatsOf(packed) }
  const dim = new DataView(packed.buffer, packed.byteOffset, 2).getUint16(0, true)
  return { name, data: floatsOf(packed.subarray(2)), dim }
}
