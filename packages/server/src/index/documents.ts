import { z } from 'zod'
import type { IndexedDocument, Metadata, StoredDocument, Where } from '@serotine/core'
import { HttpError } from '../http/errors.js'
import { linesResponse } from '../http/lines.js'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { CheckedOptions } from '../options.js'
import { documentText } from '../rerank/schemas.js'
import { bulkResponse, upsertLines } from './bulk.js'
import type { Collections } from './collections.js'
import { indexName } from './search.js'

export const documentId = z.string().min(1).max(1_000).meta({ description: 'Your own; the only name of the document.' })
const metadataSchema = z.record(z.string(), z.unknown())
const indexQuery = z.object({ index: indexName.optional() })
const PATH = '/v1/documents'
/** Lines of an answer that wait for a client to read them; beyond them its documents wait, too. */
const MOST_WAITING = 256
const deletedSchema = z.object({ index: z.string(), deleted: z.int() })

/** Documents of an index: added or replaced, read, deleted. */
export function documentRoutes(
  collections: Collections,
  { limits, onLog }: Pick<CheckedOptions, 'limits' | 'onLog'>,
): Route[] {
  const documentSchema = z.strictObject({
    id: documentId,
    text: documentText(limits),
    metadata: metadataSchema.optional(),
  })
  const upsertRequest = z.strictObject({
    index: indexName.optional(),
    documents: z
      .array(documentSchema)
      .min(1, 'give at least one')
      .max(limits.documents, `there are more than ${limits.documents}; send fewer at once, or raise limits.documents`),
  })
  const deleteRequest = z
    .strictObject({
      index: indexName.optional(),
      ids: z.array(documentId).min(1).max(limits.documents).optional(),
      where: metadataSchema.optional().meta({ description: 'Which to delete, instead of `ids`.' }),
    })
    .meta({ oneOf: [{ required: ['ids'] }, { required: ['where'] }] })
  return [
    defineRoute({
      method: 'post',
      paths: [PATH],
      summary: 'Add documents, replacing those with the same id',
      tag: 'documents',
      query: indexQuery,
      body: upsertRequest,
      lines: {
        line: documentSchema,
        response: bulkResponse,
        handle: ({ lines, query, requestId, signal, renew }) => {
          const { name, index } = collections.findWritable(query.index)
          const schema = documentSchema as unknown as z.ZodType<IndexedDocument>
          const onFailure = (error: unknown, code: string): void =>
            onLog({
              level: 'error',
              event: 'request',
              time: new Date().toISOString(),
              requestId,
              route: PATH,
              code,
              error,
            })
          const told = upsertLines({ lines, name, index, schema, requestId, signal, renew, onFailure })
          return linesResponse(told, MOST_WAITING)
        },
      },
      response: z.object({ index: z.string(), added: z.int(), updated: z.int(), unchanged: z.int() }),
      errors: [403, 404],
      handle: async ({ body, query, signal }) => {
        const { name, index } = collections.findWritable(body.index ?? query.index)
        const documents = body.documents.map(({ id, text, metadata }) => ({
          id,
          text,
          ...(metadata && { metadata: metadata as Metadata }),
        }))
        return Response.json({ index: name, ...(await index.upsert(documents, { signal })) })
      },
    }),
    defineRoute({
      method: 'post',
      paths: ['/v1/documents/delete'],
      summary: 'Delete documents by their ids or by a filter',
      tag: 'documents',
      body: deleteRequest,
      response: deletedSchema,
      errors: [403, 404],
      handle: async ({ body: { ids, where, index: asked } }) => {
        const { name, index } = collections.findWritable(asked)
        if ((ids === undefined) === (where === undefined)) {
          throw new HttpError(400, 'INVALID_REQUEST', 'Give ids or where: one of them says which documents to delete.')
        }
        const deleted = await index.delete(ids ?? { where: where as Where })
        return Response.json({ index: name, deleted })
      },
    }),
    defineRoute({
      method: 'get',
      paths: ['/v1/documents/{id}'],
      summary: 'A document as it was added',
      tag: 'documents',
      query: indexQuery,
      response: z.object({
        index: z.string(),
        id: z.string(),
        text: z.string().optional(),
        metadata: metadataSchema,
      }),
      errors: [404],
      handle: async ({ params: { id }, query }) => {
        const { name, index } = collections.find(query.index)
        const document: StoredDocument | undefined = await index.get(id!)
        if (!document) throw noSuchDocument(name, id!)
        const { text, metadata } = document
        return Response.json({ index: name, id, ...(text !== undefined && { text }), metadata })
      },
    }),
    defineRoute({
      method: 'delete',
      paths: ['/v1/documents/{id}'],
      summary: 'Delete a document; 0 are deleted where there is none',
      tag: 'documents',
      query: indexQuery,
      response: deletedSchema,
      errors: [403, 404],
      handle: async ({ params: { id }, query }) => {
        const { name, index } = collections.findWritable(query.index)
        return Response.json({ index: name, deleted: await index.delete(id!) })
      },
    }),
  ]
}

export function noSuchDocument(index: string, id: string): HttpError {
  return new HttpError(
    404,
    'DOCUMENT_NOT_FOUND',
    `The index ${index} has no document ${JSON.stringify(id.slice(0, 100))}.`,
  )
}
