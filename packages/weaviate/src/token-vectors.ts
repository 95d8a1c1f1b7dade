import { encodeRecord, decodeRecord } from '@serotine/core/store'
import type { WeaviateMode } from './options.js'
import type { ServerObject } from './protocol/batch.js'
import type { FoundObject, SearchRequest } from './protocol/search.js'
import { RECORD } from './rows.js'
import { TOKEN_VECTORS } from './schema.js'

/** Token vectors are bytes in a property, or with mode `native` a multi-vector. To everybody else they are the property. */
export interface TokenVectors {
  asked(request: SearchRequest): SearchRequest
  found(object: FoundObject): FoundObject
  written(object: ServerObject): ServerObject
}

export function tokenVectorsOf(mode: WeaviateMode): TokenVectors {
  return mode === 'native' ? AS_MULTI_VECTOR : AS_BYTES
}

const AS_BYTES: TokenVectors = {
  asked: (request) => request,
  found: (object) => object,
  written: (object) => object,
}

const AS_MULTI_VECTOR: TokenVectors = {
  asked: (request) => {
    if (!request.properties.includes(RECORD)) return request
    return { ...request, properties: request.properties.filter((name) => name !== RECORD), vectors: [TOKEN_VECTORS] }
  },
  found: (object) => {
    const vector = object.vectors.find(({ name }) => name === TOKEN_VECTORS)
    if (vector?.dim === undefined) return object
    const { data, dim } = vector
    const record = encodeRecord('f32', { data, length: data.length / dim, dim })
    return { ...object, properties: { ...object.properties, [RECORD]: record } }
  },
  written: (object) => {
    const { [RECORD]: record, ...properties } = object.properties
    if (!(record instanceof Uint8Array)) return object
    const { tokens } = properties as { tokens: number }
    const dim = object.dim!
    const { data } = decodeRecord('f32', record, tokens, dim)
    return { ...object, properties, vectors: [{ name: TOKEN_VECTORS, data, dim }] }
  },
}
