import { z } from 'zod'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { ServedIndex } from '../options.js'
import type { Collections } from './collections.js'

const indexSchema = z.object({
  name: z.string(),
  writable: z.boolean(),
  documents: z.int(),
  tokens: z.int().meta({ description: 'Token vectors of the documents.' }),
  bytes: z.int(),
  model: z.string().nullable().meta({ description: 'Name of the model that made the vectors; null: it is not known.' }),
  dim: z.int().nullable().meta({ description: 'Numbers per token vector.' }),
  codec: z.string(),
  first_stage: z.string().meta({ description: 'What serves a search over everything.' }),
})

/** What is served. */
export function indexRoutes(collections: Collections): Route[] {
  const describe = async (name: string, index: ServedIndex) => {
    const { documents, tokens, bytes, model, dim, codec, firstStage } = await index.stats()
    return {
      name,
      writable: collections.writable,
      documents,
      tokens,
      bytes: bytes.total,
      model: model?.name ?? null,
      dim,
      codec,
      first_stage: firstStage,
    }
  }
  return [
    defineRoute({
      method: 'get',
      paths: ['/v1/indexes'],
      summary: 'The indexes that are served',
      tag: 'indexes',
      response: z.object({ indexes: z.array(indexSchema) }),
      handle: async () => {
        const indexes = []
        for (const name of collections.names) indexes.push(await describe(name, collections.find(name).index))
        return Response.json({ indexes })
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
