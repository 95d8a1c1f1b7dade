import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'
import { parseAddress } from './address.js'
import type { Client } from './connection.js'
import { isConnected, isPgClient, isPgPool, pgClient, pgPool } from './pg.js'
import type { PgClientLike, PgPoolLike } from './pg.js'
import { isPGlite, pglite } from './pglite.js'
import type { PGliteLike } from './pglite.js'
import { isPostgresJs, postgresJs } from './postgres-js.js'
import type { PostgresSql } from './postgres-js.js'

/** A way to a database: an address, or what a driver made. */
export type DatabaseClient = string | PgPoolLike | PgClientLike | PostgresSql | PGliteLike

/** Until a server answers. */
const CONNECT_MS = 10_000

/** @throws DRIVER_MISSING, INVALID_ARGUMENT */
export async function clientOf(given: DatabaseClient): Promise<{ readonly client: Client; readonly name: string }> {
  if (typeof given === 'string') return connected(given)
  if (isPostgresJs(given)) return { client: postgresJs(given), name: 'PostgreSQL' }
  if ((typeof given === 'object' || typeof given === 'function') && given !== null) {
    if (isPgPool(given)) return { client: pgPool(given, false), name: 'PostgreSQL' }
    if (isPGlite(given)) return { client: pglite(given, false), name: 'PGlite' }
    if (isPgClient(given)) {
      if (isConnected(given)) return { client: pgClient(given), name: 'PostgreSQL' }
      throw new SerotineError(
        'INVALID_ARGUMENT',
        'The Client of pg is not connected. Call await client.connect() first, or pass a Pool.',
      )
    }
  }
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `The client must be a Pool or Client of pg, the function of postgres, a PGlite, or an address like postgres://user@host/database; got ${describe(given)}.${hintOf(given)}`,
  )
}

/** What those pass who have a database, but not a connection in hand. */
function hintOf(given: unknown): string {
  if ((typeof given !== 'object' && typeof given !== 'function') || given === null) return ''
  if ('$client' in given) return ' Of Drizzle, pass db.$client.'
  if ('supabaseUrl' in given) {
    return ' supabase-js speaks HTTP and runs no SQL: use the connection string of the database.'
  }
  if ('$queryRaw' in given) return ' Prisma hands over no connection: use the connection string of the database.'
  if (typeof given === 'function' && 'transaction' in given) {
    return ' The function of @neondatabase/serverless speaks HTTP, a statement at a time: pass its Pool.'
  }
  return ''
}

async function connected(address: string): Promise<{ client: Client; name: string }> {
  const { kind, driver, name } = parseAddress(address)
  if (kind === 'pglite') {
    const [{ PGlite }, { vector }] = await Promise.all([
      loaded('@electric-sql/pglite', import('@electric-sql/pglite')),
      loaded('@electric-sql/pglite-pgvector', import('@electric-sql/pglite-pgvector')),
    ])
    const database = await PGlite.create({ ...(driver !== '' && { dataDir: driver }), extensions: { vector } })
    return { client: pglite(database as unknown as PGliteLike, true), name }
  }
  const module = await loaded('pg', import('pg'))
  const pool = new module.default.Pool({
    connectionString: driver,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'serotine',
  })
  return { client: pgPool(pool, true), name }
}

/** @throws DRIVER_MISSING */
async function loaded<T>(name: string, module: Promise<T>): Promise<T> {
  try {
    return await module
  } catch (cause) {
    throw new SerotineError('DRIVER_MISSING', `The package ${name} cannot be loaded. Install it: npm install ${name}`, {
      cause,
    })
  }
}
