import type { Store } from '@serotine/core/store'
import { optionsOf } from './address.js'
import type { WeaviateOptions } from './options.js'
import { WeaviateStore } from './store.js'

export { WeaviateStore }
export type { DeletionStrategy, WeaviateMode, WeaviateOptions } from './options.js'
export type { Consistency } from './protocol/batch.js'

/** Options that go with an address: those of `WeaviateStore.open()`. */
export type WeaviateAddressOptions = Partial<Omit<WeaviateOptions, 'url' | 'grpc'>>

/**
 * Opens the collection of an address like `weaviate://localhost:8080/Birds?grpc=50051`; this is what the command line does with `--store`. What
 * `options` say goes before what the address says.
 *
 * @throws as `WeaviateStore.open`
 */
export async function openStore(url: string, options: WeaviateAddressOptions = {}): Promise<Store> {
  return WeaviateStore.open(optionsOf(url, options))
}
