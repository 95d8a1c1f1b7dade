import type { CollectionSpec, Store, StoreStats } from '../store/store.js'

/** What an index holds and how searches are served. */
export interface IndexStats extends StoreStats, Pick<CollectionSpec, 'model' | 'dim' | 'codec'> {}

export async function statsOf(store: Store): Promise<IndexStats> {
  const { model, dim, codec } = store.spec
  return { ...(await store.stats()), model, dim, codec }
}
