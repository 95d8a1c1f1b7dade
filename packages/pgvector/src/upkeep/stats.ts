import { fdeLength } from '@serotine/core/muvera'
import { candidatesWanted } from '@serotine/core/store'
import type { FirstStageStats, StoreStats } from '@serotine/core/store'
import { plan } from '../reading/candidates.js'
import type { Snapshot } from '../reading/snapshot.js'
import type { Collection } from '../schema/collection.js'
import type { Names } from '../schema/names.js'

/** The tables of a collection. */
export function tablesOf(names: Names, { id, encodings, language }: Collection): string[] {
  return [
    names.documents(id),
    ...(encodings > 0 ? [names.encodings(id, encodings)] : []),
    ...(language === null ? [] : [names.words(id)]),
  ]
}

/** What a collection holds, counted with each change; bytes as the database has them. */
export async function statsOf({ session, collection, names }: Snapshot): Promise<StoreStats> {
  const { id, encodings, stage, documents, tokens, generation, language } = collection
  const sizes = async (table: string | undefined): Promise<{ table: number; indexes: number }> => {
    if (table === undefined) return { table: 0, indexes: 0 }
    const [row] = await session.query(
      `select pg_relation_size(c.oid) + case c.reltoastrelid when 0 then 0 else pg_relation_size(c.reltoastrelid) end as "table",
        (select coalesce(sum(pg_relation_size(i.indexrelid)), 0) from pg_index i where i.indrelid = c.oid) as indexes
        from pg_class c where c.oid = to_regclass($1::text)`,
      [table],
    )
    return { table: Number(row!.table), indexes: Number(row!.indexes) }
  }
  const ofDocuments = await sizes(names.documents(id))
  const ofEncodings = await sizes(encodings > 0 ? names.encodings(id, encodings) : undefined)
  const ofWords = await sizes(language === null ? undefined : names.words(id))
  const bytes = {
    documents: ofDocuments.table,
    encodings: ofEncodings.table,
    words: ofWords.table,
    indexes: ofDocuments.indexes + ofEncodings.indexes + ofWords.indexes,
  }
  const total = Object.values(bytes).reduce((sum, each) => sum + each, 0)
  const [terms] = language === null ? [] : await session.query(`select count(*) as terms from ${names.words(id)}`)
  const stages: Record<string, FirstStageStats> = {}
  if (stage && encodings > 0) {
    const { config, meanNorm, suitability, graph } = stage
    const facts = {
      preset: collection.spec.fde?.options.preset ?? 'compact',
      length: fdeLength(config),
      meanNorm,
      prepare: config.prepare,
      partitioning: config.partitioning ?? 'hyperplanes',
      version: encodings,
    }
    stages.fde = { bytes: ofEncodings.table, documents, suitability, facts }
    if (graph) {
      stages.hnsw = {
        bytes: ofEncodings.indexes,
        documents,
        suitability,
        facts: { over: graph.binary ? 'signs' : 'halfvec' },
      }
    }
  }
  return {
    documents,
    // The database keeps what was deleted until it is vacuumed, and does not say how many documents that is.
    deleted: 0,
    tokens,
    bytes: { ...bytes, total },
    generation,
    firstStage: plan('auto', collection, candidatesWanted({}, stage?.suitability), true),
    firstStages: stages,
    ...(language !== null && {
      keywords: { language, documents, bytes: bytes.words, memory: 0, terms: Number(terms!.terms) },
    }),
  }
}
