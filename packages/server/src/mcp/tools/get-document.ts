import { z } from 'zod'
import { HttpError } from '../../http/errors.js'
import { citationOf, titleOf } from '../excerpt.js'
import { defineTool, READS } from '../tool.js'
import type { Tool, ToolContext } from '../tool.js'
import { indexName } from './inputs.js'

const MOST_CHARACTERS = 100_000
const DEFAULT_CHARACTERS = 20_000

/** The whole of what a search showed a part of. */
export function getDocumentTool({ collections, sourceOf }: ToolContext): Tool {
  return defineTool({
    name: 'get_document',
    title: 'Get a document',
    description: 'Gives the text and the metadata of a document by the id that search told.',
    input: z.strictObject({
      id: z.string().min(1).max(1_000).meta({ description: 'as search told it' }),
      index: indexName,
      offset: z
        .int()
        .min(0)
        .default(0)
        .meta({ description: 'characters to leave out, for the next part of a long text' }),
      max_characters: z.int().min(1).max(MOST_CHARACTERS).default(DEFAULT_CHARACTERS),
    }),
    output: z.object({
      index: z.string(),
      id: z.string(),
      citation: z.string(),
      title: z.string().optional(),
      text: z.string(),
      characters: z.int().meta({ description: 'of the whole text' }),
      next_offset: z.int().optional().meta({ description: 'where the text goes on' }),
      metadata: z.looseObject({}),
    }),
    annotations: READS,
    handle: async ({ id, index: asked, offset, max_characters: most }) => {
      const { name, index } = collections.find(asked)
      const document = await index.get(id)
      if (!document) {
        throw new HttpError(
          404,
          'DOCUMENT_NOT_FOUND',
          `The index ${name} has no document ${JSON.stringify(id.slice(0, 100))}. Take an id from the hits of search.`,
        )
      }
      const { text = '', metadata } = document
      const title = titleOf(metadata)
      const part = text.slice(offset, offset + most)
      const next = offset + part.length
      const citation =
        citationOf(metadata, text, Math.min(offset, text.length), (source) => sourceOf(source, name)) ?? id
      const more = next < text.length ? `\n… ${text.length - next} more characters from offset ${next}` : ''
      return {
        text: `${citation}\n${part}${more}`,
        content: {
          index: name,
          id,
          citation,
          ...(title !== undefined && { title }),
          text: part,
          characters: text.length,
          ...(next < text.length && { next_offset: next }),
          metadata: metadata as Record<string, unknown>,
        },
      }
    },
  })
}
