import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../../embeddings.js'
import { SerotineError } from '../../../errors.js'
import { fdeLength } from '../../../fde/config.js'
import type { FdeConfig } from '../../../fde/config.js'
import { FdeEncoder } from '../../../fde/encode.js'
import { learnFde, withLearnedPartitions } from '../../../fde/learn.js'
import { restoreMeans, storeMeans } from '../../../fde/stored-means.js'
import type { StoredFdeMeans } from '../../../fde/stored-means.js'
import { MIN_SAMPLE_TOKENS } from '../../../fde/suitability.js'
import { describe } from '../../../options.js'
import type { CodeBytes } from '../../format/manifest.js'
import { CodedStage } from '../coded-stage.js'
import type { CodedKind, Due } from '../coded-stage.js'
import { spread } from '../sample.js'
import type { Stage, StageContext } from '../stage.js'
import { FdeScan } from './fde-scan.js'

/** Partitions are not learned before there are this many tokens; until then everything is scored exactly, in a millisecond. */
const CENTROID_SAMPLE_TOKENS = 8000
/**
 * Learned again when the collection has this many times the tokens it had: what came since may be of another kind. An index that grows
 * document by document then makes every FDE twice, all in all.
 */
const GROWTH = 2
/** Learns from about this many tokens. */
const TOKENS_AT_MOST = 50_000
/** Documents read before timers and sockets get their turn. */
const SLICE = 64

/** What an encoder is made of again, as JSON. */
interface Learned {
  readonly config: FdeConfig
  /** `FdeEncoder.fingerprint`: other arithmetic or another generator is noticed. */
  readonly fingerprint: string
  readonly means: StoredFdeMeans
}

/** FDEs of all documents: kept where the index was made with them. */
export function fdeStage(context: StageContext): Stage {
  const { files } = context
  const kind: CodedKind = {
    name: 'fde',
    version: 1,
    isKept: () => files.manifest.fde !== null,
    refusal: (asked) => (files.manifest.fde === null ? withoutFdes(asked, files.folder) : undefined),
    // An index made with FDEs keeps them anyway.
    keep: () => {},
    due(collection, kept): Due {
      const { fde, dim } = files.manifest
      if (fde === null) return undefined
      const { partitioning } = withLearnedPartitions({ ...fde, dim: dim! })
      if (!kept) {
        const enough = partitioning === 'centroids' ? CENTROID_SAMPLE_TOKENS : MIN_SAMPLE_TOKENS
        return collection.tokens >= enough ? { learn: 0 } : undefined
      }
      const isOutgrown = collection.tokens >= (kept.derived.facts.tokens as number) * GROWTH
      return isOutgrown ? { learn: 0 } : undefined
    },
    async learn(collection, _from, _kept, signal) {
      const { codec, fde } = files.manifest
      const dim = files.manifest.dim!
      const sample: TokenEmbeddings[] = []
      let seen = 0
      const each = collection.tokens / collection.searchableCount
      for (const ordinal of spread([...collection.searchable()], Math.ceil(TOKENS_AT_MOST / each))) {
        sample.push(collection.readEmbeddings(ordinal, codec, dim))
        seen += collection.row(ordinal).tokens
        if (sample.length % SLICE === 0) await nextTurn()
        signal?.throwIfAborted()
      }
      const { config, means, meanNorm } = await learnFde(sample, { ...fde, dim }, { signal })
      const encoder = new FdeEncoder(config, {}, means)
      const learned: Learned = { config, fingerprint: encoder.fingerprint, means: storeMeans(means) }
      return new FdeScan(encoder, Buffer.from(JSON.stringify(learned)), { config: { ...config }, meanNorm })
    },
    restore(bytes, { facts }) {
      const { config, fingerprint, means } = JSON.parse(Buffer.from(bytes).toString()) as Learned
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
