import { SerotineError } from '@serotine/core'
import { SPEC_VERSION } from '@serotine/core/store'
import type { Database, Session } from '../database/database.js'
import { codeOf } from '../errors.js'
import { toDatabase } from '../escaping.js'
import type { CheckedOptions } from '../options.js'
import { findCollection } from './collection.js'
import type { Collection } from './collection.js'
import { collectionTables, MIGRATIONS, SCHEMA_VERSION } from './migrations.js'
import { Names, VectorNames } from './names.js'
import { checkVisible } from './visible.js'

/** PostgreSQL 14, and pgvector 0.7, which brought `halfvec`. */
const OLDEST_SERVER = 140000
const OLDEST_VECTOR = 7
/** Any number: whoever makes tables waits for whoever does. */
const MAKING = 5_367_410_112

/** A collection, and the names it goes by. */
export interface OpenedSchema {
  readonly names: Names
  readonly vector: VectorNames
  readonly collection: Collection
}

/**
 * Finds the collection, and makes what is missing: the extension, the schema, its tables, those of the collection. A role that may make nothing opens what is there.
 *
 * @throws STORE_UNSUPPORTED, STORE_REFUSED, INDEX_VERSION; INDEX_FORMAT when it is not there and only read
 */
export async function openSchema(database: Database, options: CheckedOptions): Promise<OpenedSchema> {
  const names = new Names(options.schema)
  const there = await database.read((session) => look(session, database.name, names, options))
  if (there.vector && there.version === SCHEMA_VERSION && there.collection) {
    return { names, vector: there.vector, collection: there.collection }
  }
  if (options.readonly) throw nothingToRead(database.name, options)
  return database.write(async (session) => {
    await session.query('select pg_advisory_xact_lock($1::text::bigint)', [String(MAKING)])
    const vector = await makeExtension(session, database.name, names)
    // Another process may have made it meanwhile.
    const { version, collection } = await look(session, database.name, names, options)
    await migrate(session, database.name, names, version)
    // In tables of an older version it was not looked for.
    const found = collection ?? (await findCollection(session, names, options))
    return { names, vector, collection: found ?? (await makeCollection(session, names, options)) }
  })
}

async function look(session: Session, name: string, names: Names, options: CheckedOptions) {
  const [server] = await session.query(
    `select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`,
  )
  if (Number(server!.version) < OLDEST_SERVER) {
    throw unsupported(`${name} is PostgreSQL ${Math.floor(Number(server!.version) / 10000)}; 14 or later is needed.`)
  }
  if (server!.encoding !== 'UTF8') {
    throw unsupported(`${name} keeps text as ${String(server!.encoding)}. Create a database with encoding 'UTF8'.`)
  }
  const vector = await findExtension(session, name)
  if (!(await hasTables(session, name, names))) return { vector, version: 0, collection: undefined }
  const [row] = await session.query(`select version from ${names.version}`)
  if (!row) {
    await checkVisible({ session, names }, names.version)
    throw damaged(name, names)
  }
  const version = Number(row.version)
  if (version < 1) throw damaged(name, names)
  if (version < SCHEMA_VERSION && options.readonly) {
    throw new SerotineError(
      'INDEX_VERSION',
      `The tables in schema ${names.schema} of ${name} are of version ${version}, this Serotine reads version ${SCHEMA_VERSION}. Open a collection of it once without readonly: that ` +
        'brings them up to date.',
    )
  }
  if (version > SCHEMA_VERSION) {
    throw new SerotineError(
      'INDEX_VERSION',
      `The tables in schema ${names.schema} of ${name} are of version ${version}, written by a newer Serotine; this one knows up to ${SCHEMA_VERSION}. ` +
        'Update @serotine/pgvector.',
    )
  }
  if (version < SCHEMA_VERSION) return { vector, version, collection: undefined }
  const collection = await findCollection(session, names, options)
  if (!collection) await checkVisible({ session, names }, names.collections)
  return { vector, version, collection }
}

/** @throws INDEX_FORMAT where the schema has tables of these names that are not ours: `public` may */
async function hasTables(session: Session, name: string, names: Names): Promise<boolean> {
  const column = (table: string, column: string): string =>
    `exists (select 1 from pg_attribute where attrelid = to_regclass(${table}::text) and attname = '${column}' and atttypid = 'int4'::regtype)`
  const [tables] = await session.query(
    `select coalesce(to_regclass($1::text), to_regclass($2::text), to_regclass($3::text))::text as taken,
      ${column('$1', 'version')} and ${column('$2', 'spec')} and ${column('$3', 'collection')} as ours`,
    [names.version, names.collections, names.partitions],
  )
  if (tables!.taken !== null && !tables!.ours) throw foreign(name, names, tables!.taken as string)
  return tables!.taken !== null
}

/** @throws STORE_UNSUPPORTED when it is too old */
async function findExtension(session: Session, name: string): Promise<VectorNames | undefined> {
  const [found] = await session.query(
    `select e.extversion as version, n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
      where e.extname = 'vector'`,
  )
  if (!found) return undefined
  const vector = new VectorNames(found.schema as string, found.version as string)
  if (vector.minor >= OLDEST_VECTOR) return vector
  throw unsupported(
    `${name} has pgvector ${String(found.version)}; 0.7 or later is needed, for half-precision vectors. Install a newer one, then: alter extension vector update`,
  )
}

async function makeExtension(session: Session, name: string, names: Names): Promise<VectorNames> {
  const there = await findExtension(session, name)
  if (there) return there
  const [available] = await session.query(`select default_version from pg_available_extensions where name = 'vector'`)
  if (!available) {
    throw unsupported(
      `${name} has no pgvector. Install it on the server (https://github.com/pgvector/pgvector#installation); for PGlite pass extensions: { vector } of ` +
        '@electric-sql/pglite-pgvector.',
    )
  }
  // Where there is a schema for extensions, as of Supabase, there.
  const [place] = await session.query(
    `select quote_ident(nspname) as schema from pg_namespace where nspname in ('extensions', 'public') order by nspname limit 1`,
  )
  if (!place) await makeSchema(session, name, names)
  await refusedAs(
    session.query(`create extension vector with schema ${place ? (place.schema as string) : names.schema}`),
    `This user may not install pgvector in ${name}. Have an administrator run, once in this database: create extension vector`,
  )
  return (await findExtension(session, name))!
}

/** From the version of the tables that is there to that of this build, in the transaction that this is part of. */
async function migrate(session: Session, name: string, names: Names, from: number): Promise<void> {
  if (from === SCHEMA_VERSION) return
  if (from === 0) await makeSchema(session, name, names)
  for (const step of MIGRATIONS.slice(from)) for (const statement of step(names)) await session.query(statement)
  await session.query(`update ${names.version} set version = ${SCHEMA_VERSION}`)
}

async function makeSchema(session: Session, name: string, names: Names): Promise<void> {
  const [schema] = await session.query('select to_regnamespace($1::text) is not null as there', [names.schema])
  if (schema!.there) return
  await refusedAs(
    session.query(`create schema ${names.schema}`),
    `This user may not create schemas in ${name}. Have an administrator run, once in this database: create schema ${names.schema} authorization <user>; or name another with \`schema\`.`,
  )
}

async function makeCollection(session: Session, names: Names, options: CheckedOptions): Promise<Collection> {
  const { name, tenant, codec = 'int8', fde = {}, keywords = { language: 'english' } } = options
  const [made] = await session.query(
    `insert into ${names.collections} (name, tenant, spec, codec, fde, language)
      values ($1::text, $2::text, ${SPEC_VERSION}, $3::text, $4::text, $5::text) returning id`,
    [
      toDatabase(name),
      toDatabase(tenant),
      codec,
      fde === false ? null : JSON.stringify(fde),
      keywords === false ? null : keywords.language,
    ],
  )
  for (const statement of collectionTables(names, Number(made!.id), keywords !== false)) await session.query(statement)
  return (await findCollection(session, names, options))!
}

/** @throws STORE_REFUSED with this message where the user may not */
async function refusedAs(statement: Promise<unknown>, message: string): Promise<void> {
  try {
    await statement
  } catch (error) {
    if (codeOf(error) !== '42501') throw error
    throw new SerotineError('STORE_REFUSED', message, { cause: error })
  }
}

function foreign(name: string, names: Names, table: string): SerotineError {
  return new SerotineError(
    'INDEX_FORMAT',
    `The schema ${names.schema} of ${name} has a table ${table} that is not of Serotine. Name a schema of its own with \`schema\`, or leave that out: it is "serotine" then.`,
  )
}

function damaged(name: string, names: Names): SerotineError {
  return new SerotineError(
    'INDEX_FORMAT',
    `${names.version} of ${name} does not say of which version the tables are. Restore it from a backup, or drop the schema and add the documents again.`,
  )
}

function nothingToRead(where: string, { name, tenant, schema }: CheckedOptions): SerotineError {
  const whose = tenant === '' ? '' : ` of the tenant ${JSON.stringify(tenant)}`
  return new SerotineError(
    'INDEX_FORMAT',
    `There is no collection ${JSON.stringify(name)}${whose} in schema ${JSON.stringify(schema)} of ${where}, and with readonly none is made. Check the names, or open it once ` +
      'without readonly.',
  )
}

function unsupported(message: string): SerotineError {
  return new SerotineError('STORE_UNSUPPORTED', message)
}
