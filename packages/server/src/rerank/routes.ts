import { z } from 'zod'
import { HttpError } from '../http/errors.js'
import { check, defineRoute } from '../http/route.js'
import type { Call, Route } from '../http/route.js'
import type { ServerLimits } from '../options.js'
import type { BatchScores } from './batching.js'
import { rank } from './relevance.js'
import { rerankRequest, rerankResponse, textsRequest, textsResponse } from './schemas.js'
import type { RerankRequest, TextsRequest } from './schemas.js'

export interface Reranking {
  readonly limits: ServerLimits
  readonly score: (query: string, texts: readonly string[], signal: AbortSignal) => Promise<BatchScores>
  /** Name of the model that is served. */
  readonly modelName: () => Promise<string>
}

/** Ranking of lists, in the shapes that clients know. */
export function rerankRoutes(reranking: Reranking): Route[] {
  const { limits } = reranking
  const [cohere, inference] = [rerankRequest(limits), textsRequest(limits)]
  return [
    defineRoute({
      method: 'post',
      paths: ['/v1/rerank', '/v2/rerank'],
      summary: 'Rank a list, as Cohere and Jina do',
      tag: 'rerank',
      body: cohere,
      response: rerankResponse,
      handle: (call) => rerank(reranking, call.body, call),
    }),
    defineRoute({
      method: 'post',
      paths: ['/rerank'],
      summary: 'Rank a list, as text-embeddings-inference does (`texts`), or as Cohere and Jina do (`documents`)',
      tag: 'rerank',
      // Told apart by hand, so that a fault is explained for the one shape that was meant.
      body: z
        .looseObject({})
        .meta({ anyOf: [z.toJSONSchema(inference, { io: 'input' }), z.toJSONSchema(cohere, { io: 'input' })] }),
      response: z.union([textsResponse, rerankResponse]),
      handle: (call) =>
        'documents' in call.body && !('texts' in call.body)
          ? rerank(reranking, check(cohere, call.body, 'The body'), call)
          : rerankTexts(reranking, check(inference, call.body, 'The body'), call),
    }),
  ]
}

type Request = Pick<Call<unknown, unknown>, 'requestId' | 'signal'>

async function rerank(
  { limits, score, modelName }: Reranking,
  body: RerankRequest,
  request: Request,
): Promise<Response> {
  const { query, documents, top_n: topN, return_documents: returnDocuments, rank_fields: rankFields } = body
  const texts = documents.map((document, i) => textOf(document, rankFields ?? undefined, i, limits.documentCharacters))
  const { scores, queryTokens } = await score(query, texts, request.signal)
  const results = rank(scores, queryTokens, topN ?? undefined).map(({ index, relevance }) => {
    const document = documents[index]!
    return {
      index,
      relevance_score: relevance,
      ...(returnDocuments && { document: typeof document === 'string' ? { text: document } : document }),
    }
  })
  return Response.json({
    id: request.requestId,
    model: await modelName(),
    results,
    meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } },
    usage: { total_tokens: 0 },
  })
}

async function rerankTexts({ score }: Reranking, body: TextsRequest, { signal }: Request): Promise<Response> {
  const { query, texts, raw_scores: rawScores, return_text: returnText } = body
  const { scores, queryTokens } = await score(query, texts, signal)
  return Response.json(
    rank(scores, queryTokens).map(({ index, relevance, maxSim }) => ({
      index,
      score: rawScores ? maxSim : relevance,
      ...(returnText && { text: texts[index]! }),
    })),
  )
}

/** What of a document is ranked. @throws HttpError 400 */
function textOf(
  document: string | Readonly<Record<string, unknown>>,
  fields: readonly string[] | undefined,
  position: number,
  most: number,
): string {
  if (typeof document === 'string') return document
  const text = fields?.length ? fieldsOf(document, fields) : document['text']
  if (text === undefined && ('image' in document || 'url' in document)) {
    throw new HttpError(400, 'INVALID_REQUEST', `documents[${position}] has no text. Images cannot be ranked here.`)
  }
  const ranked = typeof text === 'string' ? text : JSON.stringify(document)
  if (ranked.length <= most) return ranked
  throw new HttpError(
    400,
    'INVALID_REQUEST',
    `documents[${position}] is longer than ${most} characters; split it, or raise limits.documentCharacters.`,
  )
}

function fieldsOf(document: Readonly<Record<string, unknown>>, fields: readonly string[]): string {
  const values = fields.filter((field) => Object.hasOwn(document, field)).map((field) => document[field])
  return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join('\n')
}
