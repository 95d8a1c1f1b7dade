import { Codebook } from '../../../centroids/codebook.js'
import { trainCodebook, TRAINING_TOKENS } from '../../../centroids/train.js'
import { SerotineError } from '../../../errors.js'
import { LANES } from '../../../math/pack.js'
import { CodedStage } from '../coded-stage.js'
import type { CodedKind } from '../coded-stage.js'
import { EXACT_TOKENS } from '../plan.js'
import { sampleTokens } from '../sample.js'
import type { Stage, StageContext } from '../stage.js'
import { CentroidScan } from './centroid-scan.js'

/** Trained again when the collection has this many times the tokens it had. */
const GROWTH = 4
/** At most this many documents are read for training. */
const TRAINING_DOCUMENTS = 4096

/** Codes of all tokens: kept where everything is not scored exactly, or where they were asked for. */
export function centroidStage(context: StageContext): Stage {
  const { files, preferred } = context
  let isWanted = preferred === 'centroids'
  const kind: CodedKind = {
    name: 'centroids',
    version: 1,
    isKept: ({ tokens }) => tokens > 0 && (isWanted || (preferred === 'auto' && tokens > EXACT_TOKENS)),
    keep: () => {
      isWanted = true
    },
    isDue: (collection, tokens) => tokens === undefined || collection.tokens >= tokens * GROWTH,
    async learn(collection, signal) {
      const { codec, dim } = files.manifest
      const most = { documents: TRAINING_DOCUMENTS, tokens: TRAINING_TOKENS }
      const rows = await sampleTokens(collection, codec, dim!, most, signal)
      return new CentroidScan(await trainCodebook(rows, dim!, { signal }))
    },
    restore(learned, { cellBlocks }) {
      const dim = files.manifest.dim!
      const numbers = new Float32Array(learned.buffer, learned.byteOffset, learned.byteLength >> 2)
      const blocks = Int32Array.from(cellBlocks as number[])
      const split = (blocks.length - 1) * dim
      if (split < 0 || numbers.length <= split) {
        throw new SerotineError(
          'INDEX_CORRUPT',
          `A codebook of ${numbers.length} numbers has no ${blocks.length} cells.`,
        )
      }
      return new CentroidScan(
        new Codebook({
          dim,
          cells: numbers.subarray(0, split),
          centroids: numbers.subarray(split),
          cellBlocks: blocks,
        }),
      )
    },
    facts: (derived) => ({
      centroids: derived ? (derived.facts.cellBlocks as number[]).at(-1)! * LANES : null,
      trainedAt: (derived?.facts.tokens as number) ?? null,
    }),
  }
  return new CodedStage(kind, context)
}
