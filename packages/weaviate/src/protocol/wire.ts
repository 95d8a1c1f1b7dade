import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

export { BinaryReader, BinaryWriter }

/** A message inside of another. */
export function message(writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void {
  write(writer.tag(field, WireType.LengthDelimited).fork())
  writer.join()
}

export function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value)
}

export function bytes(writer: BinaryWriter, field: number, value: Uint8Array): void {
  writer.tag(field, WireType.LengthDelimited).bytes(value)
}

export function integer(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value)
}

export function double(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Bit64).double(value)
}

export function boolean(writer: BinaryWriter, field: number, value: boolean): void {
  writer.tag(field, WireType.Varint).bool(value)
}

/** What is done with each field of a message; the others are passed over, so that newer servers may add some. */
export type Fields = Readonly<Record<number, (reader: BinaryReader) => void>>

/** Reads a message of `length` bytes from where the reader is; the whole rest without one. */
export function readMessage(reader: BinaryReader, fields: Fields, length?: number): void {
  const end = length === undefined ? reader.len : reader.pos + length
  while (reader.pos < end) {
    const [field, wireType] = reader.tag()
    const read = fields[field]
    if (read) read(reader)
    else reader.skip(wireType, field)
  }
}

/** Reads a message that is a field of another. */
export function readInner(reader: BinaryReader, fields: Fields): void {
  readMessage(reader, fields, reader.uint32())
}

/** Little-endian float32, as the protocol has vectors. */
export function floatBytes(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}

/** Of bytes that may begin anywhere. */
export function floatsOf(data: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(data).buffer)
}
