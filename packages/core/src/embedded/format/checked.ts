import { setImmediate as nextTurn } from 'node:timers/promises'
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

/** Bytes read before timers and sockets get their turn: what is not in the page cache may take long. */
const SLICE_BYTES = 1 << 20

/** As `readChecked`, while others get their turn. */
export async function readCheckedInSlices(
  file: ByteLog,
  { bytes: length, crc }: Extent,
  section: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  let sum = 0
  for (let at = 0; at < length; at += SLICE_BYTES) {
    const slice = bytes.subarray(at, at + SLICE_BYTES)
    file.read(slice, at)
    sum = checksum(slice, sum)
    await nextTurn()
  }
  if (sum !== crc) throw corrupt(file.name, `the ${section}`)
  return bytes
}

/** The committed part of a file, read from its beginning in pieces, so that others get their turn and no more is held than one. */
export class CheckedPieces {
  readonly #file: ByteLog
  readonly #extent: Extent
  readonly #section: string
  #at = 0
  #sum = 0

  constructor(file: ByteLog, extent: Extent, section: string) {
    this.#file = file
    this.#extent = extent
    this.#section = section
  }

  /** @throws INDEX_CORRUPT when it is too short */
  next(bytes: number): Uint8Array {
    const piece = new Uint8Array(bytes)
    this.#file.read(piece, this.#at)
    this.#at += bytes
    this.#sum = checksum(piece, this.#sum)
    return piece
  }

  /** Reads what is left. @throws INDEX_CORRUPT when the checksum of all of it is wrong */
  async end(): Promise<void> {
    while (this.#at < this.#extent.bytes) {
      this.next(Math.min(SLICE_BYTES, this.#extent.bytes - this.#at))
      await nextTurn()
    }
    if (this.#sum !== this.#extent.crc) throw corrupt(this.#file.name, `the ${this.#section}`)
  }
}

/** Whether an error says that one place of a file cannot be read: the rest of it may be. */
export function isDamage(error: unknown): boolean {
  const { code } = error as { code?: string }
  // A bad sector.
  return code === 'INDEX_CORRUPT' || code === 'EIO'
}

/** Whether an error says that bytes are others than were written, and will be the next time. A disk that failed may be well again. */
export function isLost(error: unknown): boolean {
  return (error as { code?: string }).code === 'INDEX_CORRUPT'
}

export function corrupt(
  path: string,
  section: string,
  remedy = 'The file is damaged; restore it or build the index again.',
): SerotineError {
  return new SerotineError('INDEX_CORRUPT', `${path}: the checksum of ${section} is wrong. ${remedy}`)
}
