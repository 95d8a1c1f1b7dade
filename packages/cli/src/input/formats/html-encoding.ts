import { TextDecoder as WebTextDecoder, normalizeEncoding } from '@exodus/bytes/encoding.js'
import sniffEncoding from 'html-encoding-sniffer'
import { decodeAs, decodeUtf8 } from '../decode.js'
import type { DecodedText } from '../decode.js'

/** Characters of an XML declaration looked at. */
const DECLARATION = 1024

/**
 * Decodes a page as the HTML Standard has it: by its byte order mark, else the `<meta>` in its first 1,024 bytes, else its
 * XML declaration, else as UTF-8. Node's own decoder errs in some legacy encodings, so they are left to another.
 */
export function decodeHtml(bytes: Uint8Array): DecodedText & { readonly declared: boolean } {
  const encoding = known(sniffEncoding(bytes, { defaultEncoding: '' })) ?? xmlEncoding(bytes)
  return { ...decode(encoding ?? 'utf-8', bytes), declared: encoding !== undefined }
}

/** Decodes by a label that was found further down the page; undefined when it names no encoding. */
export function decodeAsLabel(label: string, bytes: Uint8Array): DecodedText | undefined {
  const encoding = asciiCompatible(known(label))
  return encoding === undefined ? undefined : decode(encoding, bytes)
}

function decode(encoding: string, bytes: Uint8Array): DecodedText {
  return encoding === 'utf-8' ? decodeUtf8(bytes) : decodeAs(encoding, bytes, WebTextDecoder)
}

/** The Standard lets no one read the encodings called "replacement", e.g. ISO-2022-KR. */
function known(label: string): string | undefined {
  const encoding = normalizeEncoding(label)
  return encoding === null || encoding === 'replacement' ? undefined : encoding
}

/** A declaration that was read as bytes cannot itself be UTF-16. */
function asciiCompatible(encoding: string | undefined): string | undefined {
  return encoding?.startsWith('utf-16') ? 'utf-8' : encoding
}

function xmlEncoding(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, DECLARATION))
  const label = /^<\?xml\s[^>]*?encoding\s*=\s*["']([^"'>]+)["']/.exec(start)?.[1]
  return label === undefined ? undefined : asciiCompatible(known(label))
}
