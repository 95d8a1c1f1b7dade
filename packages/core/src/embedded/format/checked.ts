import { SerotineError } from '../../errors.js'
import { checksum } from '../files/byte-log.js'
import type { ByteLog } from '../files/byte-log.js'
import type { Extent } from './manifest.js'

/** Reads the committed part of a file. @throws INDEX_CORRUPT when its checksum is wrong */
export function readChecked(file: ByteLog, { bytes: length, crc }: Extent, section: string): Uint8Array {
  const bytes = new Uint8Array(length)
  file.read(bytes, 0)
  if (checksum(bytes) !== crc) throw corrupt(file.name, `the ${section}`)
  return bytes
}

export function corrupt(path: string, section: string): SerotineError {
  return new SerotineError(
    'INDEX_CORRUPT',
    `${path}: the checksum of ${section} is wrong. The file is damaged; restore it or build the index again.`,
  )
}
