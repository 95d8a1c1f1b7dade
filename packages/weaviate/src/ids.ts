import { createHash } from 'node:crypto'

/** Namespaces of the uuids, made once at random. */
const WELL_FORMED = '6f1d0f6e-5a0b-4f43-9a3f-3e6a3a0c7b51'
const ILL_FORMED = '0a2b1c5d-7c8e-4d3b-8f60-b1f7a5d2c914'

/** The uuid of a document: version 5 of RFC 9562 of its id, which may be any string. */
export function uuidOf(id: string): string {
  // What is no Unicode has no UTF-8: it would be taken for U+FFFD.
  return isUnicode(id) ? uuid5(WELL_FORMED, Buffer.from(id)) : uuid5(ILL_FORMED, Buffer.from(id, 'utf16le'))
}

/** Whether a string is text: without half of a pair that stands for one character. */
export function isUnicode(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

function uuid5(namespace: string, name: Uint8Array): string {
  const hash = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest()
  hash[6] = (hash[6]! & 0x0f) | 0x50
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
