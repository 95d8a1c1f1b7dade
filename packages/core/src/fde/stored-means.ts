import type { FdeMeans } from './encode.js'

/** `FdeMeans` as an index keeps them: base64 of little-endian float32, `centroids` of int8. */
export interface StoredFdeMeans {
  readonly document: string
  readonly query: string | null
  /** Absent where there are none, and in indexes of builds that had none. */
  readonly directions?: string
  readonly centroids?: string
}

/** The order of the fields is fixed, since manifests are compared as text. */
export function storeMeans({ document = new Float32Array(), query, directions, centroids }: FdeMeans): StoredFdeMeans {
  return {
    document: encodeBytes(document),
    query: query ? encodeBytes(query) : null,
    ...(directions && { directions: encodeBytes(directions) }),
    ...(centroids && { centroids: encodeBytes(centroids) }),
  }
}

export function restoreMeans({ document, query, directions, centroids }: StoredFdeMeans): FdeMeans {
  return {
    document: decodeFloats(document),
    query: query === null ? undefined : decodeFloats(query),
    directions: directions === undefined ? undefined : decodeFloats(directions),
    centroids: centroids === undefined ? undefined : new Int8Array(decodeBytes(centroids)),
  }
}

function encodeBytes({ buffer, byteOffset, byteLength }: Float32Array | Int8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}

function decodeFloats(text: string): Float32Array {
  return new Float32Array(decodeBytes(text))
}

/** In a buffer of its own: what Buffer.from gives may begin anywhere. */
function decodeBytes(text: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(text, 'base64')).buffer
}
