import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../../errors.js'
import type { FdeOptions } from '../../../fde/config.js'
import { FdeEncoder } from '../../../fde/encode.js'
import { learnFde, withLearnedPartitions } from '../../../fde/learn.js'
import { restoreMeans, storeMeans } from '../../../fde/stored-means.js'
import { MIN_SAMPLE_TOKENS } from '../../../fde/suitability.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import { decodeRecord } from '../../../store/records.js'
import type { TokenCodec } from '../../../store/records.js'
import type { Collection } from '../../commit/collection.js'
import { encodeFdeRow, fdeRowBytes, FdeRows } from './fde-rows.js'
import type { FdeManifest, LearnedFde, Manifest, SuitabilityReport } from '../../format/manifest.js'
import type { Segment, StoredDocument } from '../../format/segment.js'

/** Partitions are learned once, so not before there are this many tokens; until then everything is scored exactly, in a millisecond. */
const CENTROID_SAMPLE_TOKENS = 8000
/** Learns from at most about this many tokens. */
const TOKENS_AT_MOST = 50_000
/** Documents decoded, then encoded at a time: the two share kernel memory and each sets it up again. */
const GROUP = 64

interface Learned {
  readonly manifest: LearnedFde
  readonly encoder: FdeEncoder
}

/**
 * The FDEs of an index. Each is made from the vectors as stored, so it does not matter when it is made; none is made before
 * the mean token is known.
 */
export class Encodings {
  readonly options: FdeOptions
  #suitability: FdeManifest['suitability']
  #learned: Learned | undefined
  #rows: FdeRows | undefined

  private constructor({ options, learned, suitability }: FdeManifest, folder: string) {
    this.options = options
    this.#suitability = suitability
    if (!learned) return
    const encoder = new FdeEncoder(learned.config, {}, restoreMeans(learned.means))
    if (encoder.fingerprint !== learned.fingerprint) {
      throw new SerotineError(
        'INDEX_MISMATCH',
        `The FDEs of the index ${folder} were made with different arithmetic (${learned.fingerprint}) from this build's ` +
          `(${encoder.fingerprint}). Build the index again.`,
      )
    }
    this.#learned = { manifest: learned, encoder }
  }

  /** @throws INDEX_MISMATCH when this build would make other FDEs */
  static open({ fde }: Manifest, folder = 'in memory'): Encodings | undefined {
    return fde === null ? undefined : new Encodings(fde, folder)
  }

  /** Undefined until the mean token is known. */
  get encoder(): FdeEncoder | undefined {
    return this.#learned?.encoder
  }

  /** Numbers per FDE; 0 until the mean token is known. */
  get dim(): number {
    return this.#learned?.encoder.outputDim ?? 0
  }

  manifest(learned: Learned | undefined = this.#learned): FdeManifest {
    return { options: this.options, learned: learned?.manifest ?? null, suitability: this.#suitability }
  }

  /** An encoder fitted to the collection, once the documents there and those to come have enough tokens; else undefined. */
  async learnFrom(
    codec: TokenCodec,
    dim: number,
    collection: Collection,
    documents: readonly StoredDocument[],
  ): Promise<Learned | undefined> {
    if (this.#learned) return undefined
    const tokens = documents.reduce((sum, document) => sum + document.tokens, collection.tokens)
    const { partitioning } = withLearnedPartitions({ ...this.options, dim })
    if (tokens < (partitioning === 'centroids' ? CENTROID_SAMPLE_TOKENS : MIN_SAMPLE_TOKENS)) return undefined
    const sample: TokenEmbeddings[] = []
    let seen = 0
    for (const ordinal of collection.ordinals()) {
      if (seen > TOKENS_AT_MOST) break
      sample.push(collection.readEmbeddings(ordinal, codec, dim))
      seen += collection.row(ordinal).tokens
    }
    for (const { record, tokens: length } of documents) {
      if (seen > TOKENS_AT_MOST) break
      sample.push(decodeRecord(codec, record, length, dim))
      seen += length
    }
    const learned = await learnFde(sample, { ...this.options, dim })
    const encoder = new FdeEncoder(learned.config, {}, learned.means)
    const manifest: LearnedFde = {
      config: learned.config,
      fingerprint: encoder.fingerprint,
      means: storeMeans(learned.means),
      meanNorm: learned.meanNorm,
      tokens: learned.tokens,
    }
    return { manifest, encoder }
  }

  /** Gives every document its FDE row, those that came before the mean token was known too. */
  async encodePending(
    codec: TokenCodec,
    dim: number,
    segments: readonly Segment[],
    learned = this.#learned,
  ): Promise<void> {
    if (!learned) return
    for (const segment of segments) {
      while (segment.fdeRows < segment.rows.length) {
        const from = segment.fdeRows
        const rows = segment.rows.slice(from, from + GROUP)
        const documents = rows.map(({ tokens, tokenBytes }, i) => {
          const record = new Uint8Array(tokenBytes)
          segment.readRecords(from + i, from + i + 1, record)
          return decodeRecord(codec, record, tokens, dim)
        })
        const fdes = documents.map((document) => learned.encoder.encodeDocument(document))
        for (const fde of fdes) segment.appendFde(encodeFdeRow(fde))
        await nextTurn()
      }
    }
  }

  /** What `learnFrom` gave is committed. */
  accept(learned: Learned): void {
    this.#learned = learned
  }

  /** The manifest with a measured suitability in it. */
  withSuitability(report: SuitabilityReport): FdeManifest {
    this.#suitability = report
    return this.manifest()
  }

  /** All rows in memory; reads those that are not there yet. Only when `encoder` is defined. */
  rows(collection: Collection): FdeRows {
    const rows = (this.#rows ??= new FdeRows(this.dim))
    const rowBytes = fdeRowBytes(this.dim)
    let first = 0
    for (const segment of collection.segments) {
      const end = first + segment.committedDocuments
      while (rows.length < end) {
        const from = rows.length - first
        const to = Math.min(end - first, from + 4096)
        rows.append(segment.readFde(from, to, rowBytes))
      }
      first = end
    }
    return rows
  }

  /** Ordinals have changed. */
  forgetRows(): void {
    this.#rows = undefined
  }
}
