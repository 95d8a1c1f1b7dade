import { boolean, BinaryReader, BinaryWriter, double, integer, message, readInner, readMessage, text } from './wire.js'
import { writeFilter } from './filters.js'
import type { ServerFilter } from './filters.js'
import { writeVector } from './vectors.js'
import type { NamedVector } from './vectors.js'

/** How many replicas have to answer. */
export type Consistency = 'ONE' | 'QUORUM' | 'ALL'
export const CONSISTENCY_LEVELS: Readonly<Record<Consistency, number>> = { ONE: 1, QUORUM: 2, ALL: 3 }

/** Which collection, and in it which tenant. */
export interface Place {
  readonly collection: string
  readonly tenant: string | undefined
}

export interface ServerObject {
  readonly uuid: string
  /** Arrays are of texts, bytes are blobs. */
  readonly properties: Readonly<Record<string, string | number | boolean | Uint8Array | readonly string[]>>
  readonly vectors: readonly NamedVector[]
  /** Components of a token; not sent. */
  readonly dim?: number
}

/** Message BatchObjectsRequest of weaviate.v1. */
export function encodeBatch(
  { collection, tenant }: Place,
  objects: readonly ServerObject[],
  consistency: Consistency,
): Uint8Array {
  const writer = new BinaryWriter()
  for (const { uuid, properties, vectors } of objects) {
    message(writer, 1, (object) => {
      text(object, 1, uuid)
      message(object, 3, (inner) => writeProperties(inner, properties))
      text(object, 4, collection)
      if (tenant !== undefined) text(object, 5, tenant)
      for (const vector of vectors) message(object, 23, (inner) => writeVector(inner, vector))
    })
  }
  integer(writer, 2, CONSISTENCY_LEVELS[consistency])
  return writer.finish()
}

function writeProperties(writer: BinaryWriter, properties: ServerObject['properties']): void {
  const entries = Object.entries(properties)
  message(writer, 1, (struct) => {
    for (const [name, value] of entries) {
      if (Array.isArray(value)) continue
      message(struct, 1, (entry) => {
        text(entry, 1, name)
        message(entry, 2, (inner) => {
          if (typeof value === 'string') text(inner, 3, value)
          else if (typeof value === 'boolean') boolean(inner, 4, value)
          else if (typeof value === 'number') double(inner, 2, value)
          else if (value instanceof Uint8Array) text(inner, 3, base64(value))
        })
      })
    }
  })
  for (const [name, value] of entries) {
    if (!isTexts(value)) continue
    if (value.length === 0) text(writer, 10, name)
    else {
      message(writer, 6, (array) => {
        for (const each of value) text(array, 1, each)
        text(array, 2, name)
      })
    }
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value)
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}

/** What became wrong of a batch: the position of an object, and why. */
export interface BatchError {
  readonly index: number
  readonly error: string
}

export function decodeBatch(reply: Uint8Array): BatchError[] {
  const errors: BatchError[] = []
  readMessage(new BinaryReader(reply), {
    2: (reader) => {
      const found = { index: 0, error: '' }
      readInner(reader, {
        1: (inner) => (found.index = inner.int32()),
        2: (inner) => (found.error = inner.string()),
      })
      errors.push(found)
    },
  })
  return errors
}

/** Message BatchDeleteRequest of weaviate.v1. */
export function encodeBatchDelete(
  { collection, tenant }: Place,
  filter: ServerFilter,
  consistency: Consistency,
): Uint8Array {
  const writer = new BinaryWriter()
  text(writer, 1, collection)
  message(writer, 2, (inner) => writeFilter(inner, filter))
  integer(writer, 5, CONSISTENCY_LEVELS[consistency])
  if (tenant !== undefined) text(writer, 6, tenant)
  return writer.finish()
}

/** Of the objects that matched, those that could not and could be deleted. */
export interface Deleted {
  readonly failed: number
  readonly matches: number
  readonly successful: number
}

export function decodeBatchDelete(reply: Uint8Array): Deleted {
  const deleted = { failed: 0, matches: 0, successful: 0 }
  readMessage(new BinaryReader(reply), {
    2: (reader) => (deleted.failed = Number(reader.int64())),
    3: (reader) => (deleted.matches = Number(reader.int64())),
    4: (reader) => (deleted.successful = Number(reader.int64())),
  })
  return deleted
}
