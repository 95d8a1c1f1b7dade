import { z } from 'zod'
import type { ServerLimits } from '../options.js'

type Limits = Pick<ServerLimits, 'documents' | 'documentCharacters' | 'queryCharacters'>

/** A query. */
export function querySchema({ queryCharacters }: Pick<ServerLimits, 'queryCharacters'>) {
  return z
    .string()
    .max(
      queryCharacters,
      `it is longer than ${queryCharacters} characters; shorten it, or raise limits.queryCharacters`,
    )
    .regex(/\S/, 'it must be a text with at least one word')
    .meta({ description: 'What to ask.', example: 'Which birds cannot fly?' })
}

/** The text of a document. */
export function documentText({ documentCharacters }: Pick<ServerLimits, 'documentCharacters'>) {
  return z
    .string()
    .max(
      documentCharacters,
      `it is longer than ${documentCharacters} characters; split it, or raise limits.documentCharacters`,
    )
}

/** Cohere's request (v1 and v2) and Jina's. Fields that only they have, such as `max_tokens_per_doc`, are let pass. */
export function rerankRequest(limits: Limits) {
  const document = z.union([documentText(limits), z.record(z.string(), z.unknown())], 'it must be a text or an object')
  return z
    .looseObject({
      query: querySchema(limits),
      documents: z
        .array(document)
        .min(1, 'give at least one')
        .max(limits.documents, tooMany(limits.documents))
        .meta({
          description:
            'Texts, or objects. Of an object counts `text`; with `rank_fields` these; without both, its JSON as a whole.',
          example: ['The kiwi is a flightless bird.', 'Set HTTP_PROXY to use a proxy.'],
        }),
      top_n: z.int().min(1).nullish().meta({ description: 'How many results. Default: all.' }),
      return_documents: z
        .boolean()
        .nullish()
        .meta({ description: 'Repeat the documents in the results. Default false.' }),
      rank_fields: z.array(z.string()).nullish().meta({ description: 'Which fields of objects count.' }),
      model: z.string().nullish().meta({ description: 'Let pass: the model is the one that is served.' }),
    })
    .meta({ description: 'A list to rank, as Cohere and Jina have it.' })
}
export type RerankRequest = z.output<ReturnType<typeof rerankRequest>>

/** The request of text-embeddings-inference. */
export function textsRequest(limits: Limits) {
  return z
    .looseObject({
      query: querySchema(limits),
      texts: z.array(documentText(limits)).min(1, 'give at least one').max(limits.documents, tooMany(limits.documents)),
      raw_scores: z
        .boolean()
        .nullish()
        .meta({ description: 'MaxSim itself instead of a number of 0 … 1. Default false.' }),
      return_text: z.boolean().nullish().meta({ description: 'Repeat the texts. Default false.' }),
    })
    .meta({ description: 'A list to rank, as text-embeddings-inference has it.' })
}
export type TextsRequest = z.output<ReturnType<typeof textsRequest>>

function tooMany(documents: number): string {
  return `there are more than ${documents}; send fewer at once, or raise limits.documents`
}

const relevance = z
  .number()
  .min(0)
  .max(1)
  .meta({ description: '(1 + mean similarity) ÷ 2: higher is better; no probability.' })

export const rerankResponse = z.object({
  id: z.string(),
  model: z.string(),
  results: z
    .array(
      z.object({
        index: z.int().min(0).meta({ description: 'Position in `documents`.' }),
        relevance_score: relevance,
        document: z.looseObject({ text: z.string().optional() }).optional(),
      }),
    )
    .meta({ description: 'The best first.' }),
  meta: z.object({
    api_version: z.object({ version: z.string() }),
    billed_units: z.object({ search_units: z.number() }),
  }),
  usage: z.object({ total_tokens: z.int() }).meta({ description: 'Zero: nothing is billed.' }),
})

export const textsResponse = z
  .array(
    z.object({
      index: z.int().min(0).meta({ description: 'Position in `texts`.' }),
      score: z.number(),
      text: z.string().optional(),
    }),
  )
  .meta({ description: 'The best first.' })
