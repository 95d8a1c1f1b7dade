import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../../embeddings.js'
import { SerotineError } from '../../../errors.js'
import { fdeLength, resolveFdeConfig } from '../../../fde/config.js'
import type { FdeConfig } from '../../../fde/config.js'
import { FdeEncoder } from '../../../fde/encode.js'
import type { FdeMeans } from '../../../fde/encode.js'
import { learnFde, withLearnedPartitions } from '../../../fde/learn.js'
import { LEARNING_TOKENS, learningDue } from '../../../fde/learning-due.js'
import { FIT_SAMPLE, stillFits, partitionFit } from '../../../fde/partition-fit.js'
import { restoreMeans, storeMeans } from '../../../fde/stored-means.js'
import type { StoredFdeMeans } from '../../../fde/stored-means.js'
import { describe } from '../../../options.js'
import type { CodeBytes } from '../../format/manifest.js'
import type { Collection } from '../../commit/collection.js'
import { CodedStage } from '../coded-stage.js'
import type { CodedKind, Due } from '../coded-kind.js'
import { UNSEEN_TOKENS } from '../fit.js'
import { sampleTokens, spread } from '../sample.js'
import type { Stage, StageContext } from '../stage.js'
import { fdeRowBytes } from './fde-rows.js'
import { FdeScan } from './fde-scan.js'

/** Documents read before timers and sockets get their turn. */
const SLICE = 64

/** What an encoder is made of again, as JSON. */
interface Learned {
  readonly config: FdeConfig
  /** `FdeEncoder.fingerprint`: other arithmetic or another generator is noticed. */
  readonly fingerprint: string
  readonly means: StoredFdeMeans
}

function learnedOf(bytes: Uint8Array): Learned {
  return JSON.parse(Buffer.from(bytes).toString()) as Learned
}

/** FDEs of all documents: kept where the index was made with them. */
export function fdeStage(context: StageContext): Stage {
  const { files } = context
  /** How well the partitions fit documents from an ordinal on. */
  async function fit(
    encoder: FdeEncoder,
    means: FdeMeans,
    collection: Collection,
    from: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { codec, dim } = files.manifest
    const data = await sampleTokens(collection, codec, dim!, { ...FIT_SAMPLE, from, to: collection.total }, signal)
    return partitionFit(encoder, means, { data, length: data.length / dim!, dim: dim! })
  }

  const kind: CodedKind = {
    name: 'fde',
    version: 1,
    compresses: false,
    isKept: () => files.manifest.fde !== null,
    refusal: (asked) => (files.manifest.fde === null ? withoutFdes(asked, files.folder) : undefined),
    // An index made with FDEs keeps them anyway.
    keep: () => {},
    expected({ documents, dim }) {
      const { fde } = files.manifest
      if (fde === null) return undefined
      const bytes = documents * fdeRowBytes(fdeLength(resolveFdeConfig(withLearnedPartitions({ ...fde, dim }))))
      return { bytes, memory: bytes }
    },
    async due(collection, kept, signal): Promise<Due> {
      const { fde, dim } = files.manifest
      if (fde === null) return undefined
      const { tokens = 0, similarity } = (kept?.derived.facts ?? {}) as { tokens?: number; similarity?: number | null }
      const known = kept && { tokens, similarity: similarity ?? null }
      const due = learningDue(collection.tokens, { ...fde, dim: dim! }, known)
      if (due === 'always') return { learn: 0 }
      // Hyperplanes fit nothing, and older indexes do not say how well their partitions do.
      if (!kept || typeof similarity !== 'number') return undefined
      const { trusted } = kept.derived.parts.at(-1)!
      if (collection.tokensOf(trusted) < UNSEEN_TOKENS) return undefined
      const { encoder, learned } = kept.searcher as FdeScan
      const found = await fit(encoder, restoreMeans(learnedOf(learned).means), collection, trusted, signal)
      if (stillFits(found, similarity)) return { trust: collection.total }
      return due === 'unless it fits' ? { learn: 0 } : undefined
    },
    async learn(collection, _from, _kept, signal) {
      const { codec, fde } = files.manifest
      const dim = files.manifest.dim!
      const sample: TokenEmbeddings[] = []
      let seen = 0
      const each = collection.tokens / collection.searchableCount
      for (const ordinal of spread([...collection.searchable()], Math.ceil(LEARNING_TOKENS / each))) {
        sample.push(collection.readEmbeddings(ordinal, codec, dim))
        seen += collection.row(ordinal).tokens
        if (sample.length % SLICE === 0) await nextTurn()
        signal?.throwIfAborted()
      }
      const { config, means, meanNorm } = await learnFde(sample, { ...fde, dim }, { signal })
      const encoder = new FdeEncoder(config, {}, means)
      const learned: Learned = { config, fingerprint: encoder.fingerprint, means: storeMeans(means) }
      const similarity = config.partitioning === 'centroids' ? await fit(encoder, means, collection, 0, signal) : null
      const facts = { config: { ...config }, meanNorm, similarity }
      return new FdeScan(encoder, Buffer.from(JSON.stringify(learned)), facts)
    },
    learned: (searcher) => (searcher as FdeScan).learned,
    restore(bytes, { facts }) {
      const { config, fingerprint, means } = learnedOf(bytes)
      const encoder = new FdeEncoder(config, {}, restoreMeans(means))
      if (encoder.fingerprint !== fingerprint) {
        throw new SerotineError(
          'INDEX_CORRUPT',
          `The FDEs of the index ${files.folder ?? 'in memory'} were made with different arithmetic (${fingerprint}) from this ` +
            `build's (${encoder.fingerprint}).`,
        )
      }
      return new FdeScan(encoder, bytes, facts)
    },
    facts(derived) {
      const config = derived?.facts.config as unknown as FdeConfig | undefined
      return {
        preset: files.manifest.fde?.preset ?? null,
        length: config ? fdeLength(config) : null,
        bytesPerDocument: (derived?.codeBytes as CodeBytes | undefined)?.perDocument ?? null,
        meanNorm: (derived?.facts.meanNorm as number) ?? null,
        prepare: config?.prepare ?? null,
        partitioning: config ? (config.partitioning ?? 'hyperplanes') : null,
      }
    },
  }
  return new CodedStage(kind, context)
}

export function withoutFdes(firstStage: string, folder: string | undefined): SerotineError {
  return new SerotineError(
    'INVALID_ARGUMENT',
    `The index ${folder ?? 'in memory'} was made without FDEs and cannot be searched by ${describe(firstStage)}. Leave firstStage ` +
      "at 'auto', or build the index with fde: 'compact'.",
  )
}
