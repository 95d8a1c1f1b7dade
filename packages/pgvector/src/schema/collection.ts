import { SerotineError } from '@serotine/core'
import { SPEC_VERSION } from '@serotine/core/store'
import type { CollectionSpec, KeywordSettings, Suitability, TokenCodec } from '@serotine/core/store'
import type { FdeConfig, FdeOptions } from '@serotine/core/muvera'
import type { Row } from '../database/connection.js'
import type { Session } from '../database/database.js'
import { fromDatabase, toDatabase } from '../escaping.js'
import type { Names } from './names.js'

/** What is known of the FDEs that serve, kept with the collection. */
export interface StageFacts {
  readonly config: FdeConfig
  readonly meanNorm: number
  /** How well the partitions fitted the documents they were learned from; null for hyperplanes. */
  readonly similarity: number | null
  /** Tokens and `seq` of the collection when they were learned. */
  readonly tokens: number
  readonly seq: number
  readonly suitability: Suitability | null
  /** There is a graph over the encodings, or over their signs. */
  readonly graph: { readonly binary: boolean } | null
  /** When these encodings took the place of those before, in milliseconds since 1970. */
  readonly since: number
}

/** A collection at one time: its row. */
export interface Collection {
  readonly id: number
  readonly spec: CollectionSpec
  readonly language: KeywordSettings['language'] | null
  /** Last number given to a change of a document. */
  readonly seq: number
  readonly generation: number
  readonly documents: number
  readonly tokens: number
  /** Words of all texts. */
  readonly words: number
  /** Version of the encodings that serve; 0: none. */
  readonly encodings: number
  readonly stage: StageFacts | null
  /** This user sees some of its documents only: a policy says which. */
  readonly secured: boolean
}

export interface CollectionKey {
  readonly name: string
  readonly tenant: string
}

/** The row of a collection, or undefined. @param lock nobody else changes the collection until the transaction ends */
export async function findCollection(
  session: Session,
  names: Names,
  { name, tenant }: CollectionKey,
  lock = false,
): Promise<Collection | undefined> {
  const text =
    `select *, row_security_active($3::text || id) as secured from ${names.collections} ` +
    `where name = $1::text and tenant = $2::text${lock ? ' for update' : ''}`
  const [row] = await session.query(text, [toDatabase(name), toDatabase(tenant), `${names.schema}.documents_`])
  return row && collectionOf(row)
}

/** Characters of the names of last changes that are kept: of some eighty. */
const CHANGES_KEPT = 1024
/** So many changes of documents later, with what is learned and measured after each, a name is certainly still there. */
const CERTAINLY_KEPT = 16

/** What a change leaves of a collection's row. */
export async function saveCollection(session: Session, names: Names, collection: Collection): Promise<void> {
  const { id, spec, seq, generation, documents, tokens, words, encodings, stage } = collection
  await session.query(
    `update ${names.collections} set dim = $2::text::int, model = $3::text, fingerprint = $4::text, seq = $5::text::bigint,
      generation = $6::text::bigint, documents = $7::text::bigint, tokens = $8::text::bigint, words = $9::text::bigint,
      encodings = $10::text::int, stage = $11::text, changes = right(changes || $12::text, ${CHANGES_KEPT}) where id = $1::text::int`,
    [
      String(id),
      spec.dim === null ? null : String(spec.dim),
      spec.model && toDatabase(spec.model.name),
      spec.model && toDatabase(spec.model.fingerprint),
      ...[seq, generation, documents, tokens, words, encodings].map(String),
      stage && JSON.stringify(stage),
      `${session.change} `,
    ],
  )
}

/** Whether a change of a collection was made, which would have left it so; undefined where that cannot be told any more. */
export async function wasMade(
  session: Session,
  names: Names,
  change: string,
  { id, generation }: Collection,
): Promise<boolean | undefined> {
  const [row] = await session.query(`select changes, generation from ${names.collections} where id = $1::text::int`, [
    String(id),
  ])
  if (!row) return undefined
  if ((row.changes as string).includes(`${change} `)) return true
  return Number(row.generation) - generation < CERTAINLY_KEPT ? false : undefined
}

/** @throws INDEX_VERSION */
function collectionOf(row: Row): Collection {
  const text = (name: string): string | null => (row[name] === null ? null : fromDatabase(row[name] as string))
  const stage = row.stage === null ? null : (JSON.parse(row.stage as string) as StageFacts)
  const version = Number(row.spec)
  if (version > SPEC_VERSION) {
    throw new SerotineError(
      'INDEX_VERSION',
      `The collection ${JSON.stringify(text('name'))} was made by a newer Serotine (version ${version}, this one knows ${SPEC_VERSION}). Update @serotine/pgvector.`,
    )
  }
  const options = row.fde === null ? null : (JSON.parse(row.fde as string) as FdeOptions)
  return {
    id: Number(row.id),
    spec: {
      version,
      model: row.model === null ? null : { name: text('model')!, fingerprint: text('fingerprint')! },
      dim: row.dim === null ? null : Number(row.dim),
      codec: row.codec as TokenCodec,
      fde: options && { options, config: stage?.config ?? null },
    },
    language: row.language as Collection['language'],
    seq: Number(row.seq),
    generation: Number(row.generation),
    documents: Number(row.documents),
    tokens: Number(row.tokens),
    words: Number(row.words),
    encodings: Number(row.encodings),
    stage,
    secured: row.secured === true,
  }
}
