import { open } from 'node:fs/promises'
import { SerotineError } from '@serotine/core'

export interface NamedTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array | Int32Array
}

/**
 * Writes a safetensors file: an 8-byte length, a JSON header, the numbers.
 *
 * @throws INVALID_ARGUMENT for a name that is used twice or reserved
 */
export async function writeSafetensors(path: string, tensors: readonly NamedTensor[], metadata: Record<string, string> = {}): Promise<void> {
  // No prototype: a text may be called "constructor".
  const header = Object.create(null) as Record<string, unknown>
  header.__metadata__ = metadata
  let offset = 0
  for (const { name, shape, data } of tensors) {
    if (name in header) {
      throw new SerotineError('INVALID_ARGUMENT', `A safetensors file cannot hold ${JSON.stringify(name)} twice. Give every text its own id.`)
    }
    header[name] = { dtype: data instanceof Float32Array ? 'F32' : 'I32', shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const json = Buffer.from(JSON.stringify(header))
  // The numbers begin at a multiple of eight bytes, as the format's own writer has it.
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  const file = await open(path, 'w')
  try {
    await file.writev([length, padded])
    for (const { data } of tensors) {
      if (data.byteLength > 0) await file.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
  } finally {
    await file.close()
  }
}
