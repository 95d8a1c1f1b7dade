import { ResidualCodec } from '../../centroids/residual-codec.js'
import { checksum } from '../files/byte-log.js'
import type { ByteLog } from '../files/byte-log.js'
import type { Storage } from '../files/folder.js'
import { corrupt, isDamage, isLost } from './checked.js'
import type { CodebookManifest } from './manifest.js'

/** What a codebook is to those who have not heard of it. */
const SECTION = 'the centroids that vectors were compressed by'
/** Without them, the vectors cannot be had. */
const REMEDY = 'Restore the file, or call repair() and upsert the documents that it names.'

/**
 * A codebook that vectors were compressed by. It is kept open from the beginning, so that nobody removes it; where it is missing or damaged, the
 * vectors are, and all other documents can be read.
 */
export class CodebookFile {
  readonly manifest: CodebookManifest
  readonly dim: number
  /** Or why there is none. */
  readonly #log: ByteLog | { readonly missing: unknown }
  /** Or why there is none: it is asked for by each of its documents. */
  #codec: ResidualCodec | { readonly damage: unknown } | undefined

  constructor(manifest: CodebookManifest, dim: number, log: ByteLog | { readonly missing: unknown }) {
    this.manifest = manifest
    this.dim = dim
    this.#log = log
  }

  /** One that is missing or short says so when it is read. */
  static open(storage: Storage, manifest: CodebookManifest, dim: number): CodebookFile {
    return new CodebookFile(manifest, dim, opened(storage, manifest))
  }

  /** @throws INDEX_CORRUPT when the file is missing or short */
  check(): void {
    if ('missing' in this.#log) throw this.#log.missing
  }

  /** Directions of its cells, then of its centroids, f32. @throws INDEX_CORRUPT */
  read(): Uint8Array {
    if ('missing' in this.#log) throw this.#log.missing
    const bytes = new Uint8Array(this.manifest.bytes)
    this.#log.read(bytes, 0)
    if (checksum(bytes) !== this.manifest.crc) throw corrupt(this.#log.name, SECTION, REMEDY)
    return bytes
  }

  get isIntact(): boolean {
    try {
      void this.codec
      return true
    } catch (error) {
      if (!isDamage(error)) throw error
      return false
    }
  }

  /** Read when it is first wanted. @throws INDEX_CORRUPT, and what reading throws */
  get codec(): ResidualCodec {
    this.#codec ??= this.#makeCodec()
    if ('damage' in this.#codec) throw this.#codec.damage
    return this.#codec
  }

  close(): void {
    if ('close' in this.#log) this.#log.close()
  }

  #makeCodec(): ResidualCodec | { readonly damage: unknown } {
    let buffer: ArrayBufferLike
    try {
      buffer = this.read().buffer
    } catch (damage) {
      if (!isLost(damage)) throw damage
      return { damage }
    }
    const cells = this.manifest.cellBlocks.length - 1
    return new ResidualCodec(this.dim, new Float32Array(buffer, cells * this.dim * 4), this.manifest.residuals)
  }
}

function opened(storage: Storage, { file, bytes }: CodebookManifest): ByteLog | { readonly missing: unknown } {
  try {
    return storage.open(file, bytes)
  } catch (missing) {
    if (!isLost(missing)) throw missing
    return { missing }
  }
}
