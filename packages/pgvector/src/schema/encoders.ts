import { FdeEncoder, restoreMeans } from '@serotine/core/muvera'
import type { FdeConfig, FdeMeans, StoredFdeMeans } from '@serotine/core/muvera'
import type { Session } from '../database/database.js'
import type { Collection } from './collection.js'
import type { Names } from './names.js'

/** What an encoder is made of again, as JSON. */
export interface Learned {
  readonly config: FdeConfig
  /** `FdeEncoder.fingerprint`: other arithmetic or another generator is noticed. */
  readonly fingerprint: string
  readonly means: StoredFdeMeans
}

export interface VersionedEncoder {
  readonly version: number
  readonly encoder: FdeEncoder
  readonly means: FdeMeans
}

/** The encoders of a collection, of the version that a transaction sees. */
export class Encoders {
  #known: VersionedEncoder | undefined

  /** Undefined where there are no encodings, or where this build's arithmetic would give others. */
  async of(session: Session, names: Names, { id, encodings }: Collection): Promise<VersionedEncoder | undefined> {
    if (encodings === 0) return undefined
    if (this.#known?.version === encodings) return this.#known
    const [row] = await session.query(
      `select learned from ${names.partitions} where collection = $1::text::int and version = $2::text::int`,
      [String(id), String(encodings)],
    )
    if (!row) return undefined
    const { config, fingerprint, means } = JSON.parse(row.learned as string) as Learned
    const restored = restoreMeans(means)
    const encoder = new FdeEncoder(config, {}, restored)
    if (encoder.fingerprint !== fingerprint) return undefined
    return (this.#known = { version: encodings, encoder, means: restored })
  }

  /** The one that was used last, as changes are likely to need it. */
  get last(): VersionedEncoder | undefined {
    return this.#known
  }
}

/** Largest number of half precision. */
const LARGEST_HALF = 65504

/** An FDE as pgvector reads it. Half precision keeps three digits and a bit. */
export function halfvecText(fde: Float32Array): string {
  const numbers: string[] = Array.from({ length: fde.length })
  for (let i = 0; i < fde.length; i++) {
    const x = Math.max(-LARGEST_HALF, Math.min(LARGEST_HALF, fde[i]!))
    numbers[i] = x === 0 ? '0' : x.toPrecision(4)
  }
  return `[${numbers.join(',')}]`
}
