import { z } from 'zod'
import { rank } from '../../rerank/relevance.js'
import { documentText } from '../../rerank/schemas.js'
import { defineTool, READS } from '../tool.js'
import type { Tool, ToolContext } from '../tool.js'
import { queryText } from './inputs.js'

const DEFAULT_RESULTS = 10
/** Characters of each text in what is read. */
const SHOWN = 100

/** Ranks texts that the client has. */
export function rerankTool({ limits, score }: ToolContext): Tool {
  return defineTool({
    name: 'rerank',
    title: 'Rank texts',
    description: 'Orders texts that you have by how much they say about a question, the best first.',
    input: z.strictObject({
      query: queryText(limits),
      documents: z
        .array(documentText(limits))
        .min(1, 'give at least one')
        .max(limits.documents, `there are more than ${limits.documents}; send fewer at once`)
        .meta({ description: 'the texts' }),
      top_n: z
        .int()
        .min(1)
        .max(limits.documents)
        .default(Math.min(DEFAULT_RESULTS, limits.documents))
        .meta({ description: 'how many to give back' }),
    }),
    output: z.object({
      results: z.array(
        z.object({
          index: z.int().meta({ description: 'position in `documents`, from 0' }),
          relevance_score: z.number().meta({ description: '0 to 1; higher is better; no probability' }),
        }),
      ),
    }),
    annotations: READS,
    handle: async ({ query, documents, top_n: topN }, { signal }) => {
      const { scores, queryTokens } = await score(query, documents, signal)
      const results = rank(scores, queryTokens, topN).map(({ index, relevance }) => ({
        index,
        relevance_score: Number(relevance.toFixed(4)),
      }))
      const lines = results.map(({ index, relevance_score: relevance }) => {
        const text = documents[index]!.replace(/\s+/g, ' ')
        return `[${index}] ${relevance} ${text.slice(0, SHOWN)}${text.length > SHOWN ? ' …' : ''}`
      })
      return { text: lines.join('\n'), content: { results } }
    },
  })
}
