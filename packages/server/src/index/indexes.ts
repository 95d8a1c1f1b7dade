import { z } from 'zod'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { ServedIndex, ServerLimits } from '../options.js'
import type { Collections } from './collections.js'

const firstStageSchema = z.object({
  bytes: z.int(),
  documents: z.int().meta({ description: 'Documents it covers.' }),
  suitability: z
    .object({ recall: z.number(), candidates: z.int(), queries: z.int(), collection: z.int() })
    .nullable()
    .meta({ description: 'Share of the exact top 10 among its candidates; null: not measured.' }),
})

const indexSchema = z.object({
  name: z.string(),
  writable: z.boolean(),
  documents: z.int(),
  deleted: z.int().meta({ description: 'Deleted or replaced; their bytes go when the index is compacted.' }),
  tokens: z.int().meta({ description: 'Token vectors of the documents.' }),
  bytes: z.int(),
  bytes_by: z.record(z.string(), z.int()).meta({ description: 'The same by what they hold.' }),
  model: z.string().nullable().meta({ description: 'Name of the model that made the vectors; null: it is not known.' }),
  dim: z.int().nullable().meta({ description: 'Numbers per token vector.' }),
  codec: z.string(),
  first_stage: z.string().meta({ description: 'What serves a search over everything.' }),
  first_stages: z
    .record(z.string(), firstStageSchema)
    .meta({ description: 'Those that the index keeps; `exact` needs nothing kept.' }),
  hybrid: z.boolean().meta({ description: 'Documents can be found by their words, too.' }),
  split_files: z.boolean().meta({ description: 'Files sent to /v1/files become passages; false: one document each.' }),
})

/** What is served. */
export function indexRoutes(collections: Collections, limits: ServerLimits, splitFiles: boolean): Route[] {
  const describe = async (name: string, index: ServedIndex) => {
    const stats = await index.stats()
    const { documents, deleted, tokens, bytes, model, dim, codec, firstStage, firstStages, keywords } = stats
    const { total, ...bytesBy } = bytes
    return {
      name,
      writable: collections.writable,
      documents,
      deleted,
      tokens,
      bytes: total,
      bytes_by: bytesBy,
      model: model?.name ?? null,
      dim,
      codec,
      first_stage: firstStage,
      first_stages: Object.fromEntries(
        Object.entries(firstStages).flatMap(([stage, kept]) =>
          kept ? [[stage, { bytes: kept.bytes, documents: kept.documents, suitability: kept.suitability }]] : [],
        ),
      ),
      hybrid: keywords !== undefined,
      split_files: splitFiles,
    }
  }
  return [
    defineRoute({
      method: 'get',
      paths: ['/v1/indexes'],
      summary: 'The indexes that are served',
      tag: 'indexes',
      response: z.object({
        indexes: z.array(indexSchema),
        limits: z
          .object({ body_bytes: z.int(), hits: z.int(), query_characters: z.int() })
          .meta({ description: 'Of one request.' }),
      }),
      handle: async () => {
        const indexes = []
        for (const name of collections.names) indexes.push(await describe(name, collections.find(name).index))
        const { bodyBytes, hits, queryCharacters } = limits
        return Response.json({ indexes, limits: { body_bytes: bodyBytes, hits, query_characters: queryCharacters } })
      },
    }),
    defineRoute({
      method: 'get',
      paths: ['/v1/indexes/{name}'],
      summary: 'One of them',
      tag: 'indexes',
      response: indexSchema,
      errors: [404],
      handle: async ({ params }) => {
        const { name, index } = collections.find(params['name'])
        return Response.json(await describe(name, index))
      },
    }),
  ]
}
