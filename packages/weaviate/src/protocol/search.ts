import { boolean, BinaryReader, BinaryWriter, integer, message, readInner, readMessage, text } from './wire.js'
import { CONSISTENCY_LEVELS } from './batch.js'
import type { Consistency, Place } from './batch.js'
import { writeFilter } from './filters.js'
import type { ServerFilter } from './filters.js'
import { readVector, writeVector } from './vectors.js'
import type { NamedVector } from './vectors.js'

export interface SearchRequest {
  readonly properties: readonly string[]
  /** Names of vectors to come along. */
  readonly vectors?: readonly string[]
  readonly limit: number
  /** Objects behind this uuid, in the order of uuids; not with a filter. */
  readonly after?: string | undefined
  readonly filter?: ServerFilter | undefined
  /** The nearest to this; its name says among which vectors. */
  readonly near?: NamedVector | undefined
}

/** Message SearchRequest of weaviate.v1. */
export function encodeSearch(
  { collection, tenant }: Place,
  request: SearchRequest,
  consistency: Consistency,
): Uint8Array {
  const { properties, vectors = [], limit, after, filter, near } = request
  const writer = new BinaryWriter()
  text(writer, 1, collection)
  if (tenant !== undefined) text(writer, 10, tenant)
  integer(writer, 11, CONSISTENCY_LEVELS[consistency])
  message(writer, 20, (inner) => properties.forEach((name) => text(inner, 1, name)))
  message(writer, 21, (metadata) => {
    boolean(metadata, 1, true)
    boolean(metadata, 4, true)
    if (near) boolean(metadata, 5, true)
    for (const name of vectors) text(metadata, 10, name)
  })
  integer(writer, 30, limit)
  if (after !== undefined) text(writer, 33, after)
  if (filter) message(writer, 40, (inner) => writeFilter(inner, filter))
  if (near) {
    message(writer, 43, (inner) => {
      message(inner, 6, (targets) => text(targets, 1, near.name))
      message(inner, 9, (vector) => writeVector(vector, { ...near, name: '' }))
    })
  }
  // Values come with their types.
  boolean(writer, 102, true)
  return writer.finish()
}

/** Blobs are bytes. */
export type PropertyValue = string | number | boolean | Uint8Array

export interface FoundObject {
  readonly uuid: string
  readonly properties: Readonly<Record<string, PropertyValue | undefined>>
  /** When it was written, in milliseconds since 1970. */
  readonly updated: number
  /** Only with `near`. */
  readonly distance: number | undefined
  readonly vectors: readonly NamedVector[]
}

/** Message SearchReply of weaviate.v1. */
export function decodeSearch(reply: Uint8Array): FoundObject[] {
  const found: FoundObject[] = []
  readMessage(new BinaryReader(reply), { 2: (reader) => found.push(readResult(reader)) })
  return found
}

function readResult(reader: BinaryReader): FoundObject {
  const properties: Record<string, PropertyValue | undefined> = {}
  let uuid = ''
  let updated = 0
  let distance: number | undefined
  const vectors: NamedVector[] = []
  readInner(reader, {
    1: (result) =>
      readInner(result, {
        11: (values) => readInner(values, { 1: (entry) => readEntry(entry, properties) }),
      }),
    2: (metadata) =>
      readInner(metadata, {
        1: (inner) => (uuid = inner.string()),
        5: (inner) => (updated = Number(inner.int64())),
        7: (inner) => (distance = inner.float()),
        8: (inner) => {
          // A distance of 0 is left out of the message.
          if (inner.bool()) distance ??= 0
        },
        23: (inner) => vectors.push(readVector(inner)),
      }),
  })
  return { uuid, properties, updated, distance, vectors }
}

function readEntry(reader: BinaryReader, properties: Record<string, PropertyValue | undefined>): void {
  let name = ''
  let value: PropertyValue | undefined
  readInner(reader, {
    1: (entry) => (name = entry.string()),
    2: (entry) =>
      readInner(entry, {
        1: (inner) => (value = inner.double()),
        3: (inner) => (value = inner.bool()),
        8: (inner) => (value = Number(inner.int64())),
        10: (inner) => (value = Buffer.from(inner.string(), 'base64')),
        13: (inner) => (value = inner.string()),
      }),
  })
  properties[name] = value
}
