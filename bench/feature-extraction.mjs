// One vector a text from the feature-extraction pipeline of transformers.js, and search by the cosine of such vectors.
import { resolve } from 'node:path'
import { env, pipeline } from '@huggingface/transformers'

export const TRANSFORMERS_VERSION = env.version

/** Texts embedded in one call. They are padded to the longest, so texts of like length go together. */
const BATCH = 16

export class FeatureExtraction {
  #extractor
  #pooling

  constructor(extractor, pooling) {
    this.#extractor = extractor
    this.#pooling = pooling
  }

  /**
   * @param folder as transformers.js wants it: config.json, tokenizer.json, tokenizer_config.json, onnx/model*.onnx.
   *   Nothing is downloaded.
   * @param options.dtype which file: `fp32` = model.onnx, `q8` = model_quantized.onnx
   * @param options.pooling `mean` or `cls`
   */
  static async load(folder, { dtype = 'q8', pooling = 'mean' } = {}) {
    env.allowRemoteModels = false
    // One thread, as Serotine's own encoders have.
    const session_options = { intraOpNumThreads: 1, interOpNumThreads: 1 }
    return new FeatureExtraction(
      await pipeline('feature-extraction', resolve(folder), { dtype, session_options }),
      pooling,
    )
  }

  /** Normalised vectors, in the order given. */
  async embed(texts, onProgress = () => {}) {
    const vectors = Array.from({ length: texts.length })
    const byLength = texts.map((_, i) => i).sort((a, b) => texts[a].length - texts[b].length)
    for (let i = 0; i < byLength.length; i += BATCH) {
      const batch = byLength.slice(i, i + BATCH)
      const { data, dims } = await this.#extractor(
        batch.map((j) => texts[j]),
        { pooling: this.#pooling, normalize: true },
      )
      const dim = dims.at(-1)
      batch.forEach((j, row) => (vectors[j] = data.slice(row * dim, (row + 1) * dim)))
      onProgress(i + batch.length, texts.length)
    }
    return vectors
  }

  close() {
    return this.#extractor.dispose()
  }
}

/** The `k` documents whose vectors have the largest inner product with the query's, as `{ id, score }`. */
export function nearest(query, ids, vectors, k) {
  return vectors
    .map((vector, i) => ({ id: ids[i], score: vector.reduce((sum, value, j) => sum + value * query[j], 0) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, k)
}
