/** A file's text as UTF-16, offsets counting from the first unit of the file (a byte order mark is kept as U+FEFF). */
export interface DecodedText {
  readonly text: string
  /** Bytes that are not valid in the file's encoding were replaced by U+FFFD. */
  readonly replaced: boolean
}

/** Bytes looked at to tell text from binary: git looks at 8,000, this is the same idea. */
const SNIFF_BYTES = 8192

/**
 * Decodes a file's bytes: UTF-16 when it starts with that byte order mark, UTF-8 otherwise.
 *
 * @returns undefined for binary files (a NUL byte near the start)
 */
export function decodeText(bytes: Uint8Array): DecodedText | undefined {
  const utf16 = utf16Encoding(bytes)
  if (!utf16 && bytes.subarray(0, SNIFF_BYTES).includes(0)) return undefined
  return decodeAs(utf16 ?? 'utf-8', bytes)
}

/** UTF-8, with U+FFFD for what cannot be decoded. */
export function decodeUtf8(bytes: Uint8Array): DecodedText {
  return decodeAs('utf-8', bytes)
}

function decodeAs(encoding: string, bytes: Uint8Array): DecodedText {
  try {
    // ignoreBOM keeps the mark in the text, so that offsets equal those of readFile(path, 'utf8').
    return { text: new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes), replaced: false }
  } catch {
    return { text: new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes), replaced: true }
  }
}

function utf16Encoding(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return undefined
}
