/** A file's text as UTF-16, offsets counting from the first unit of the file (a byte order mark is kept as U+FEFF). */
export interface DecodedText {
  readonly text: string
  /** Bytes that are not valid in the file's encoding were replaced by U+FFFD. */
  readonly replaced: boolean
}

/** Bytes looked at to tell text from binary: git looks at 8,000, this is the same idea. */
const SNIFF_BYTES = 8192
/** Of bytes that are no UTF-8: compressed and random data hold about a tenth, legacy encodings of text none. */
const MAX_CONTROL_SHARE = 0.02

/** Why bytes are no text, to be read after "is binary"; undefined for text. */
export function whyBinary(bytes: Uint8Array): string | undefined {
  const start = bytes.subarray(0, SNIFF_BYTES)
  const encoding = utf16Encoding(bytes)
  if (encoding === 'utf-16le' && bytes.length >= 4 && bytes[2] === 0 && bytes[3] === 0) return 'it is marked as UTF-32'
  if (encoding) return undefined
  const nul = start.indexOf(0)
  if (nul !== -1) return `byte ${nul} is NUL; UTF-16 needs its byte order mark`
  const controls = start.reduce((sum, byte) => sum + Number(isControl(byte)), 0)
  if (controls <= MAX_CONTROL_SHARE * start.length || isUtf8(start)) return undefined
  return `it is not UTF-8 and ${controls} of its first ${start.length} bytes are control characters`
}

/** Decodes a text file's bytes: UTF-16 when it starts with that byte order mark, UTF-8 otherwise. */
export function decodeText(bytes: Uint8Array): DecodedText {
  return decodeAs(utf16Encoding(bytes) ?? 'utf-8', bytes)
}

/** UTF-8, with U+FFFD for what cannot be decoded. */
export function decodeUtf8(bytes: Uint8Array): DecodedText {
  return decodeAs('utf-8', bytes)
}

/** @param Decoder of another make where Node's own lacks the encoding, or errs in it */
export function decodeAs(encoding: string, bytes: Uint8Array, Decoder: typeof TextDecoder = TextDecoder): DecodedText {
  try {
    // ignoreBOM keeps the mark in the text, so that offsets equal those of readFile(path, 'utf8').
    return { text: new Decoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes), replaced: false }
  } catch {
    return { text: new Decoder(encoding, { ignoreBOM: true }).decode(bytes), replaced: true }
  }
}

function utf16Encoding(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return undefined
}

/** All but what text holds: backspace to carriage return, and the shifts and escapes of ISO-2022 and terminals. */
function isControl(byte: number): boolean {
  return byte < 0x08 || (byte > 0x0f && byte < 0x1b) || (byte > 0x1b && byte < 0x20) || byte === 0x7f
}

function isUtf8(start: Uint8Array): boolean {
  try {
    // The last character may be cut.
    new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true })
    return true
  } catch {
    return false
  }
}
