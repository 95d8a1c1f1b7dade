import { z } from 'zod'
import type { SearchHit, Where } from '@serotine/core'
import type { ServedIndex } from '../../options.js'
import { citationOf, excerptOf, titleOf } from '../excerpt.js'
import { defineTool, READS } from '../tool.js'
import type { Tool, ToolContext } from '../tool.js'
import { indexName, queryText } from './inputs.js'

const MOST_HITS = 50
const DEFAULT_HITS = 5
const MOST_CHARACTERS = 20_000
const DEFAULT_CHARACTERS = 600

const hitSchema = z.object({
  rank: z.int(),
  id: z.string(),
  citation: z.string().meta({ description: 'path:line of the text, or the id where it is not of a file' }),
  title: z.string().optional(),
  score: z.number().meta({ description: 'mean similarity, −1 to 1; higher is better' }),
  text: z.string(),
  is_excerpt: z.boolean().meta({ description: 'the document is longer; get_document gives it all' }),
})
type Hit = z.output<typeof hitSchema>

/** The tool that most calls are of. */
export function searchTool(context: ToolContext): Tool {
  const { collections, limits } = context
  return defineTool({
    name: 'search',
    title: 'Search',
    description:
      'Finds the passages that say something about a question, by meaning. Ask in whole sentences or in words. ' +
      'Each hit has a citation (path:line), an id for get_document, and the part of its text that matches.',
    input: z.strictObject({
      query: queryText(limits),
      index: indexName,
      limit: z
        .int()
        .min(1)
        .max(Math.min(MOST_HITS, limits.hits))
        .default(Math.min(DEFAULT_HITS, limits.hits))
        .meta({ description: 'how many hits' }),
      where: z.looseObject({}).optional().meta({
        description: 'which documents to consider, by their metadata: {"lang": "en"}, {"year": {"gte": 2020}}',
      }),
      hybrid: z
        .boolean()
        .default(false)
        .meta({ description: 'words count, too: for identifiers, error codes, and what is "quoted"' }),
      max_characters: z
        .int()
        .min(50)
        .max(MOST_CHARACTERS)
        .default(DEFAULT_CHARACTERS)
        .meta({ description: 'longest text of a hit' }),
    }),
    output: z.object({ index: z.string(), hits: z.array(hitSchema) }),
    annotations: READS,
    handle: async ({ query, index: asked, limit, where, hybrid, max_characters: most }, { signal }) => {
      const { name, index } = collections.find(asked)
      const { hits } = await index.searchDetailed(query, {
        k: limit,
        ...(where && { where: where as Where }),
        ...(hybrid && { hybrid }),
        signal,
      })
      const shown: Hit[] = []
      for (const hit of hits) shown.push(await show(context, name, index, query, hit, most, signal))
      return { text: textOf(shown, query, where !== undefined), content: { index: name, hits: shown } }
    },
  })
}

async function show(
  { model, sourceOf }: ToolContext,
  name: string,
  index: ServedIndex,
  query: string,
  { rank, id, meanSimilarity, text = '', metadata }: SearchHit,
  most: number,
  signal: AbortSignal,
): Promise<Hit> {
  // Only what is cut has to be looked at again.
  const explained = text.length > most ? (index.explain ? index : await model()) : undefined
  const matches = (await explained?.explain?.(query, text, { signal })) ?? []
  const excerpt = excerptOf(text, most, matches)
  const title = titleOf(metadata)
  return {
    rank,
    id,
    citation: citationOf(metadata, text, excerpt.start, (source) => sourceOf(source, name)) ?? id,
    ...(title !== undefined && { title }),
    score: Number(meanSimilarity.toFixed(3)),
    text: excerpt.text,
    is_excerpt: excerpt.isCut,
  }
}

function textOf(hits: readonly Hit[], query: string, isFiltered: boolean): string {
  if (hits.length === 0) {
    const why = isFiltered ? 'No document fits `where`; leave it out, or ask list_indexes which fields there are.' : ''
    return `Nothing found for ${JSON.stringify(query.slice(0, 100))}. ${why}`.trim()
  }
  return hits
    .map(({ rank, id, citation, title, score, text, is_excerpt: isExcerpt }) => {
      const head = [`${rank}. ${citation}`, title, `score ${score}`, citation === id ? undefined : `id ${id}`]
      return `${head.filter(Boolean).join(' · ')}\n${text}${isExcerpt ? ' …' : ''}`
    })
    .join('\n\n')
}
