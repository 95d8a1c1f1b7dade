import { boolean, BinaryReader, BinaryWriter, message, readInner, readMessage, text } from './wire.js'
import type { Place } from './batch.js'
import { writeFilter } from './filters.js'
import type { ServerFilter } from './filters.js'

/** The request of weaviate.v1 for how many objects, and sums of properties that are integers. */
export function encodeAggregate(
  { collection, tenant }: Place,
  sums: readonly string[],
  filter: ServerFilter | undefined,
): Uint8Array {
  const writer = new BinaryWriter()
  text(writer, 1, collection)
  if (tenant !== undefined) text(writer, 10, tenant)
  boolean(writer, 20, true)
  for (const property of sums) {
    message(writer, 21, (aggregation) => {
      text(aggregation, 1, property)
      message(aggregation, 2, (int) => boolean(int, 3, true))
    })
  }
  if (filter) message(writer, 40, (inner) => writeFilter(inner, filter))
  return writer.finish()
}

export interface Aggregated {
  readonly count: number
  /** By property; 0 for none. */
  readonly sums: ReadonlyMap<string, number>
}

export function decodeAggregate(reply: Uint8Array): Aggregated {
  let count = 0
  const sums = new Map<string, number>()
  const readAggregation = (reader: BinaryReader): void => {
    let property = ''
    let sum = 0
    readInner(reader, {
      1: (inner) => (property = inner.string()),
      2: (inner) => readInner(inner, { 8: (int) => (sum = Number(int.int64())) }),
    })
    sums.set(property, sum)
  }
  readMessage(new BinaryReader(reply), {
    2: (single) =>
      readInner(single, {
        1: (inner) => (count = Number(inner.int64())),
        2: (inner) => readInner(inner, { 1: readAggregation }),
      }),
  })
  return { count, sums }
}
