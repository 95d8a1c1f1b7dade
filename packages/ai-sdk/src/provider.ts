import { NoSuchModelError } from '@ai-sdk/provider'
import type { ProviderV3, RerankingModelV3 } from '@ai-sdk/provider'
import { ColBERT, SerotineError } from '@serotine/core'
import type { LoadOptions, Scorer } from '@serotine/core'
import { checkOptions, checkString, describe } from '@serotine/core/options'
import { rerankingModel } from './reranking-model.js'
import type { ColBERTRerankerOptions } from './reranking-model.js'

/** Id of the embedded model, as registries name it. */
const EMBEDDED = '@serotine/model-micro'

export interface SerotineProviderOptions extends Pick<ColBERTRerankerOptions, 'toText'> {
  /** Models that are loaded already, by the id that `rerankingModel` is called with. */
  models?: Readonly<Record<string, Scorer>>
  /** How the others are loaded: options of `ColBERT.load`, such as `{ offline: true, workers: 1 }`. */
  load?: LoadOptions
}

/** A provider of the AI SDK that has reranking models and no others. */
export interface SerotineProvider extends ProviderV3 {
  /** @param modelId Hub id or folder, as for `ColBERT.load`. Default: the embedded model. Loaded at the first use, once for each id */
  rerankingModel(modelId?: string): RerankingModelV3
}

/**
 * A provider for `createProviderRegistry` and `customProvider`, so that a reranking model is named by a string.
 *
 * @example
 * const registry = createProviderRegistry({ serotine: createSerotine({ load: { workers: 1 } }) })
 * const { ranking } = await rerank({ model: registry.rerankingModel('serotine:mixedbread-ai/mxbai-edge-colbert-v0-17m'), query, documents })
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function createSerotine(options: SerotineProviderOptions = {}): SerotineProvider {
  checkOptions('createSerotine', options, ['models', 'load', 'toText'], { getText: 'toText' })
  const { models = {}, load, toText } = options
  for (const [id, model] of Object.entries(models)) {
    if (typeof (model as Scorer | null)?.score === 'function') continue
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `models[${JSON.stringify(id)}] must be a ColBERT, got ${describe(model)}. Load one with await ColBERT.load().`,
    )
  }
  const loaded = new Map<string, Promise<Scorer>>()
  const scorerOf = (id: string): Promise<Scorer> => {
    let scorer = loaded.get(id)
    if (!scorer) {
      const isShared = id === EMBEDDED && load === undefined
      scorer = isShared ? ColBERT.shared() : ColBERT.load(id === EMBEDDED ? undefined : id, load)
      loaded.set(id, scorer)
      // The next use tries again.
      scorer.catch(() => loaded.delete(id))
    }
    return scorer
  }
  const none = (modelType: 'languageModel' | 'embeddingModel' | 'imageModel') => (modelId: string) => {
    throw new NoSuchModelError({
      modelId,
      modelType,
      message: `Serotine has reranking models only, no ${modelType} ${JSON.stringify(modelId)}.`,
    })
  }
  return {
    specificationVersion: 'v3',
    languageModel: none('languageModel'),
    embeddingModel: none('embeddingModel'),
    imageModel: none('imageModel'),
    rerankingModel(modelId = EMBEDDED) {
      const id = checkString('modelId', modelId)
      const own = Object.hasOwn(models, id) ? models[id] : undefined
      return rerankingModel({ modelId: id, scorer: async () => own ?? scorerOf(id), ...(toText && { toText }) })
    },
  }
}

/** The provider with its defaults. */
export const serotine: SerotineProvider = createSerotine()
