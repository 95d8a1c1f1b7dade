import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MultiVectorIndex, SerotineError } from '@serotine/core'
import type { OpenOptions } from '@serotine/core'
import type { Store } from '@serotine/core/store'

/** The package that opens addresses of a kind, and what else it needs. */
const PACKAGES: Readonly<Record<string, { readonly name: string; readonly install: string }>> = {
  'postgres:': { name: '@serotine/pgvector', install: '@serotine/pgvector pg' },
  'postgresql:': { name: '@serotine/pgvector', install: '@serotine/pgvector pg' },
  'pglite:': {
    name: '@serotine/pgvector',
    install: '@serotine/pgvector @electric-sql/pglite @electric-sql/pglite-pgvector',
  },
  'weaviate:': { name: '@serotine/weaviate', install: '@serotine/weaviate' },
  'weaviates:': { name: '@serotine/weaviate', install: '@serotine/weaviate' },
}

/** What those packages export. */
interface StorePackage {
  openStore(address: string, options: StoreOptions): Promise<Store>
}

type StoreOptions = Omit<OpenOptions, 'model' | 'create'>

/** Whether an index lies in a database, at an address such as postgres://…, and not in a folder. */
export function isAddress(where: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(where)
}

/** An address without its password, for messages; a folder as it is. */
export function shownPlace(where: string): string {
  return isAddress(where) ? where.replace(/^([^:]+:\/\/[^/@:]*):[^/]*@/, '$1:***@') : where
}

/**
 * Opens the store at an address.
 *
 * @throws INVALID_ARGUMENT for an address of an unknown kind, STORE_MISSING when its package is not installed; what opening throws
 */
export async function openStoreAt(address: string, options: StoreOptions = {}): Promise<Store> {
  const scheme = address.slice(0, address.indexOf(':') + 1).toLowerCase()
  const known = PACKAGES[scheme]
  if (!known) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${shownPlace(address)} is an address of no known kind. There are ${Object.keys(PACKAGES)
        .map((each) => `${each}//`)
        .join(', ')}; anything else is a folder.`,
    )
  }
  const { openStore } = await load(known)
  return openStore(address, options)
}

/**
 * Opens an index in a folder, as `MultiVectorIndex.open`, or in a database at an address such as `postgres://localhost/app`, whose package says which
 * options there are beside `model`.
 *
 * @throws as `openStoreAt` and `MultiVectorIndex.open`
 */
export async function openIndexAt(where: string | undefined, options: OpenOptions = {}): Promise<MultiVectorIndex> {
  if (where === undefined || !isAddress(where)) return MultiVectorIndex.open(where, options)
  const { model, create: _, ...settings } = options
  const { onWarning } = settings
  // Whoever opens it knows what can be set there.
  const store = await openStoreAt(where, settings)
  try {
    return await MultiVectorIndex.open(store, { model, onWarning })
  } catch (error) {
    await store.close()
    throw error
  }
}

/** From where the command line is installed, else from the folder it runs in: there it may have been started by npx. */
async function load({ name, install }: { name: string; install: string }): Promise<StorePackage> {
  try {
    return (await import(name)) as StorePackage
  } catch (first) {
    if (!isMissing(first, name)) throw first
    try {
      const here = createRequire(join(process.cwd(), 'package.json')).resolve(name)
      return (await import(pathToFileURL(here).href)) as StorePackage
    } catch (cause) {
      if (!isMissing(cause, name)) throw cause
      throw new SerotineError(
        'STORE_MISSING',
        `Indexes at such addresses are opened by the package ${name}, which is not installed. Install it: npm install ${install}`,
        { cause },
      )
    }
  }
}

function isMissing(error: unknown, name: string): boolean {
  const { code, message = '' } = error as { code?: string; message?: string }
  return (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') && message.includes(name)
}
