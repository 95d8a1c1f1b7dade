import { ColBERT } from '@serotine/core'

let loading: Promise<ColBERT> | undefined

/** The embedded model, loaded once per process however many retrievers and rerankers are made without a model. */
export function defaultModel(): Promise<ColBERT> {
  loading ??= ColBERT.load().catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return loading
}
