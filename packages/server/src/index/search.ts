import { z } from 'zod'
import type { SearchHit, SearchOptions, TextMatch, Where } from '@serotine/core'
import { HttpError } from '../http/errors.js'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { ServedModel, ServerLimits } from '../options.js'
import { querySchema } from '../rerank/schemas.js'
import type { Collections } from './collections.js'

/** Hits that can be explained at once: each costs an encoding. */
const MOST_EXPLAINED = 50
const MOST_CANDIDATES = 10_000

export const indexName = z.string().meta({ description: 'Name of the index. Default: the first one.' })

const metadataSchema = z.record(z.string(), z.unknown())

const matchSchema = z.object({
  query_token: z.string(),
  query_start: z.int(),
  query_end: z.int(),
  token: z.string(),
  start: z.int().meta({ description: 'Where the match begins in the text, in UTF-16 units; −1: not text.' }),
  end: z.int(),
  similarity: z.number(),
})

const hitSchema = z.object({
  rank: z.int(),
  first_stage_rank: z
    .int()
    .optional()
    .meta({ description: 'Its rank by the first stage alone. Absent where it had none.' }),
  id: z.string(),
  score: z.number().meta({ description: 'MaxSim; in a hybrid search with what the words add.' }),
  mean_similarity: z.number(),
  max_sim: z.number().optional(),
  keywords: z.object({ score: z.number(), words: z.array(z.string()) }).optional(),
  text: z.string().optional(),
  metadata: metadataSchema,
  matches: z.array(matchSchema).optional().meta({ description: 'With `explain`: what each query token matched.' }),
})

const searchResponse = z.object({
  index: z.string(),
  first_stage: z.string().meta({ description: 'What found the candidates.' }),
  candidates: z.int().meta({ description: 'Documents scored exactly.' }),
  first_stage_ids: z
    .array(z.string())
    .optional()
    .meta({ description: 'The best `k` by the first stage alone. Absent where every document was scored exactly.' }),
  milliseconds: z.record(z.string(), z.number()),
  hits: z.array(hitSchema),
})

function searchRequest(limits: ServerLimits) {
  return z.strictObject({
    query: querySchema(limits),
    index: indexName.optional(),
    k: z.int().min(1).max(limits.hits).default(10).meta({ description: 'How many hits.' }),
    where: metadataSchema.optional().meta({
      description: 'Which documents to consider, such as {"lang": "en", "year": {"gte": 2020}}.',
    }),
    hybrid: z
      .union([z.boolean(), z.strictObject({ weight: z.number().min(0).optional() })])
      .optional()
      .meta({ description: 'Words count, too.' }),
    first_stage: z
      .string()
      .max(50)
      .optional()
      .meta({ description: 'How candidates are found. Default: as the index says.' }),
    candidates: z.int().min(1).max(MOST_CANDIDATES).optional(),
    prompt: z.string().max(limits.queryCharacters).optional().meta({ description: 'Put in front of the query.' }),
    prompt_name: z.string().max(100).optional(),
    return_text: z.boolean().default(true).meta({ description: 'Texts of hits in the answer.' }),
    explain: z
      .boolean()
      .default(false)
      .meta({
        description: `Which words of each hit matched, for up to ${MOST_EXPLAINED} hits.`,
      }),
  })
}

export function searchRoutes(
  collections: Collections,
  limits: ServerLimits,
  model: () => Promise<ServedModel>,
): Route[] {
  return [
    defineRoute({
      method: 'post',
      paths: ['/v1/search'],
      summary: 'Search an index',
      tag: 'search',
      body: searchRequest(limits),
      response: searchResponse,
      errors: [404],
      handle: async ({ body, signal }) => {
        const { name, index } = collections.find(body.index)
        if (body.explain && body.k > MOST_EXPLAINED) {
          throw new HttpError(
            400,
            'INVALID_REQUEST',
            `explain works for up to ${MOST_EXPLAINED} hits, not for k ${body.k}.`,
          )
        }
        const prompts = promptsOf(body)
        const found = await index.searchDetailed(body.query, {
          k: body.k,
          ...prompts,
          ...(body.where && { where: body.where as Where }),
          ...(body.hybrid !== undefined && { hybrid: hybridOf(body.hybrid) }),
          ...(body.first_stage !== undefined && { firstStage: body.first_stage }),
          ...(body.candidates !== undefined && { candidates: body.candidates }),
          signal,
        })
        const { hits, firstStage, candidates, firstStageIds, timings } = found
        const firstStageRank = new Map(firstStageIds?.map((id, i) => [id, i + 1]))
        const shown = []
        for (const hit of hits) {
          const matches = body.explain
            ? await explain(await model(), body.query, hit, { ...prompts, signal })
            : undefined
          shown.push({ ...hitOf(hit, firstStageRank.get(hit.id), body.return_text), ...(matches && { matches }) })
        }
        return Response.json({
          index: name,
          first_stage: firstStage,
          candidates,
          ...(firstStageIds && { first_stage_ids: firstStageIds.slice(0, body.k) }),
          milliseconds: timings,
          hits: shown,
        })
      },
    }),
  ]
}

function promptsOf({
  prompt,
  prompt_name: promptName,
}: {
  prompt?: string | undefined
  prompt_name?: string | undefined
}) {
  return { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
}

function hybridOf(hybrid: boolean | { weight?: number | undefined }): NonNullable<SearchOptions['hybrid']> {
  if (typeof hybrid === 'boolean') return hybrid
  return hybrid.weight === undefined ? {} : { weight: hybrid.weight }
}

function hitOf(hit: SearchHit, firstStageRank: number | undefined, withText: boolean) {
  const { rank, id, score, meanSimilarity, maxSim, keywords, text, metadata } = hit
  return {
    rank,
    ...(firstStageRank !== undefined && { first_stage_rank: firstStageRank }),
    id,
    score,
    mean_similarity: meanSimilarity,
    ...(maxSim !== undefined && { max_sim: maxSim }),
    ...(keywords && { keywords }),
    ...(withText && text !== undefined && { text }),
    metadata,
  }
}

async function explain(
  model: ServedModel,
  query: string,
  { text }: SearchHit,
  options: { prompt?: string; promptName?: string; signal: AbortSignal },
) {
  if (!model.explain) {
    throw new HttpError(
      400,
      'INVALID_REQUEST',
      `The model ${model.name} cannot say which words matched. Leave out explain.`,
    )
  }
  if (text === undefined) return []
  return (await model.explain(query, text, options)).map((match: TextMatch) => ({
    query_token: match.queryToken,
    query_start: match.queryStart,
    query_end: match.queryEnd,
    token: match.token,
    start: match.start,
    end: match.end,
    similarity: match.similarity,
  }))
}
