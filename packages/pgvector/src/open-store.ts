import type { Store } from '@serotine/core/store'
import type { PgvectorOptions } from './options.js'
import { PgvectorStore } from './pgvector-store.js'

/** What can be said beside an address. */
export type OpenStoreOptions = Pick<
  PgvectorOptions,
  'collection' | 'schema' | 'tenant' | 'codec' | 'fde' | 'keywords' | 'readonly' | 'statementTimeoutMs' | 'onWarning'
>

/**
 * Opens the collection at an address: `postgres://user@host/database?collection=docs`, `pglite://folder?collection=docs`. What `options` say
 * goes before what the address says.
 *
 * @throws as `PgvectorStore.open`
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  return PgvectorStore.open(url, options)
}
