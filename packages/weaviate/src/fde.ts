import type { TokenEmbeddings } from '@serotine/core'
import { SerotineError } from '@serotine/core'
import { FdeEncoder, fdeLength, restoreMeans } from '@serotine/core/muvera'
import type { FdeMeans } from '@serotine/core/muvera'
import type { Suitability } from '@serotine/core/store'
import type { RequestOptions } from './client/endpoint.js'
import type { Catalog, FdeState, LearnedFde, StoredSuitability } from './catalog.js'
import type { StoredFde } from './rows.js'
import { FDE_SLOTS } from './schema.js'

/**
 * For so many milliseconds readers take what they know of the encodings as it was. Whoever learns waits for longer between saying that documents will
 * be written by new ones and doing so.
 */
export const KNOWN_FOR_MS = 1000

/** An encoder, and where its encodings are. */
export interface FdeVersion {
  readonly learned: LearnedFde
  readonly encoder: FdeEncoder
  readonly means: FdeMeans
  readonly slot: (typeof FDE_SLOTS)[number]
}

/** Which encodings a collection has, as the catalog says, and what makes them. */
export class FdeVersions {
  readonly #catalog: Catalog
  readonly #versions = new Map<number, Promise<FdeVersion>>()
  #state: FdeState = { serving: 0, writing: 0, learning: null }
  #measured: StoredSuitability | undefined
  #read = -Infinity

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  /** @param isFresh asks the catalog even if it was asked just now */
  async state(isFresh = false, options?: RequestOptions): Promise<FdeState> {
    if (!isFresh && performance.now() - this.#read < KNOWN_FOR_MS) return this.#state
    const asked = performance.now()
    const [state, measured] = await Promise.all([this.#catalog.fdeState(options), this.#catalog.suitability(options)])
    this.#state = state
    this.#measured = measured
    this.#read = asked
    return state
  }

  /** What was measured of the encodings that serve. */
  async suitability(isFresh = false, options?: RequestOptions): Promise<Suitability | null> {
    const { serving } = await this.state(isFresh, options)
    return this.#measured?.version === serving ? this.#measured.suitability : null
  }

  /** What searches ask: one, or while documents are encoded anew two. None: nothing is learned yet. */
  async toSearch(options?: RequestOptions): Promise<FdeVersion[]> {
    const { serving, writing } = await this.state(false, options)
    if (serving === 0) return []
    return Promise.all([...new Set([serving, writing])].map((version) => this.version(version, options)))
  }

  /** What documents are written by now. */
  async toWrite(): Promise<FdeVersion | undefined> {
    const { writing } = await this.state(true)
    return writing === 0 ? undefined : this.version(writing)
  }

  version(version: number, options?: RequestOptions): Promise<FdeVersion> {
    const known = this.#versions.get(version)
    if (known) return known
    const loading = this.#catalog.learned(version, options).then(restore)
    this.#versions.set(version, loading)
    loading.catch(() => this.#versions.delete(version))
    return loading
  }
}

function restore(learned: LearnedFde): FdeVersion {
  const { version, config, fingerprint, means } = learned
  const restored = restoreMeans(means)
  const encoder = new FdeEncoder(config, {}, restored)
  if (encoder.fingerprint !== fingerprint) {
    throw new SerotineError(
      'INDEX_CORRUPT',
      `The encodings of this collection were made with different arithmetic (${fingerprint}) from this build's (${encoder.fingerprint}).`,
    )
  }
  return { learned, encoder, means: restored, slot: FDE_SLOTS[version % 2]! }
}

/** The encoding of a document, in the slot of its version. Documents without tokens have none. */
export function encodingOf(version: FdeVersion, embeddings: TokenEmbeddings): StoredFde {
  const { learned, encoder, slot } = version
  if (embeddings.length === 0) return { version: learned.version, vectors: [] }
  return { version: learned.version, vectors: [{ name: slot, data: encoder.encodeDocument(embeddings) }] }
}

/** Bytes that Weaviate keeps of an encoding on its disk. */
export function fdeBytes({ learned }: FdeVersion): number {
  return fdeLength(learned.config) * 4
}
