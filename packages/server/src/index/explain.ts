import { z } from 'zod'
import type { TextToken } from '@serotine/core'
import { HttpError } from '../http/errors.js'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { ServedModel, ServerLimits } from '../options.js'
import { documentText, querySchema } from '../rerank/schemas.js'
import type { Collections } from './collections.js'
import { documentId, noSuchDocument } from './documents.js'
import { indexName } from './search.js'

/** Decimals of a similarity: more than a picture needs, fewer bytes than all. */
const DECIMALS = 4

const tokenSchema = z.object({
  token: z.string().meta({ description: 'As in the vocabulary.' }),
  start: z.int().meta({ description: 'Where it begins in the text, in UTF-16 units; −1: not text.' }),
  end: z.int(),
})

const explainResponse = z.object({
  query_tokens: z.array(tokenSchema),
  document_tokens: z.array(tokenSchema),
  similarities: z.array(z.array(z.number())).meta({
    description: `One row per query token; the best of each add up to MaxSim. Rounded to ${DECIMALS} decimals.`,
  }),
})

/** Every pair of a query's and a document's tokens: what a score is made of. */
export function explainRoutes(
  collections: Collections,
  limits: ServerLimits,
  model: () => Promise<ServedModel>,
): Route[] {
  const explainRequest = z
    .strictObject({
      query: querySchema(limits),
      index: indexName.optional(),
      id: documentId.optional().meta({ description: 'A document of the index, or:' }),
      text: documentText(limits).optional(),
      prompt: z.string().max(limits.queryCharacters).optional(),
      prompt_name: z.string().max(100).optional(),
    })
    .meta({ oneOf: [{ required: ['id'] }, { required: ['text'] }] })
  return [
    defineRoute({
      method: 'post',
      paths: ['/v1/explain'],
      summary: 'How similar each token of a query is to each of a document',
      tag: 'search',
      body: explainRequest,
      response: explainResponse,
      errors: [404],
      handle: async ({ body, signal }) => {
        const { query, id, prompt, prompt_name: promptName } = body
        if ((id === undefined) === (body.text === undefined)) {
          throw new HttpError(400, 'INVALID_REQUEST', 'Give id or text: one of them says which document to explain.')
        }
        const text = body.text ?? (await textOf(collections, body.index, id!))
        const { name, similarities } = await model().then((served) => ({
          name: served.name,
          similarities: served.similarities?.bind(served),
        }))
        if (!similarities) {
          throw new HttpError(400, 'INVALID_REQUEST', `The model ${name} cannot say how similar tokens are.`)
        }
        const prompts = { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
        const {
          queryTokens,
          documentTokens,
          similarities: all,
        } = await similarities(query, text, { ...prompts, signal })
        const width = documentTokens.length
        return Response.json({
          query_tokens: queryTokens.map(plain),
          document_tokens: documentTokens.map(plain),
          similarities: queryTokens.map((_, row) =>
            Array.from(all.subarray(row * width, (row + 1) * width), (value) => Number(value.toFixed(DECIMALS))),
          ),
        })
      },
    }),
  ]
}

async function textOf(collections: Collections, asked: string | undefined, id: string): Promise<string> {
  const { name, index } = collections.find(asked)
  const document = await index.get(id)
  if (!document) throw noSuchDocument(name, id)
  if (document.text !== undefined) return document.text
  throw new HttpError(400, 'INVALID_REQUEST', 'The document has no text: it was added as embeddings.')
}

function plain({ token, start, end }: TextToken): TextToken {
  return { token, start, end }
}
