import { z } from 'zod'
import { SerotineError } from '@serotine/core'
import type { ServedIndex } from '../../options.js'
import { defineTool, READS } from '../tool.js'
import type { Tool, ToolContext } from '../tool.js'

/** Naming the fields reads the metadata of all documents: not of more than these. */
const MOST_READ = 100_000
/** Fields told. */
const MOST_FIELDS = 50

const indexSchema = z.object({
  name: z.string(),
  documents: z.int(),
  model: z.string().nullable(),
  fields: z.array(z.string()).optional().meta({ description: 'metadata that `where` of search can name' }),
  problem: z.string().optional().meta({ description: 'why it cannot be searched now' }),
})
export type ListedIndex = z.output<typeof indexSchema>

/** Fields of an index, and the state they are of. */
const known = new WeakMap<ServedIndex, { state: string; fields: readonly string[] }>()

/** What is served. */
export async function listIndexes({ collections }: Pick<ToolContext, 'collections'>): Promise<ListedIndex[]> {
  const listed: ListedIndex[] = []
  for (const name of collections.names) listed.push(await describe(name, collections.find(name).index))
  return listed
}

async function describe(name: string, index: ServedIndex): Promise<ListedIndex> {
  try {
    const { documents, tokens, bytes, model } = await index.stats()
    const fields = documents > MOST_READ ? undefined : await fieldsOf(index, `${documents} ${tokens} ${bytes.total}`)
    return { name, documents, model: model?.name ?? null, ...(fields && { fields: [...fields] }) }
  } catch (error) {
    // One that is not there yet does not hide the others.
    if (!SerotineError.isInstance(error) || error.code !== 'INVALID_ARGUMENT') throw error
    return { name, documents: 0, model: null, problem: error.message }
  }
}

async function fieldsOf(index: ServedIndex, state: string): Promise<readonly string[] | undefined> {
  const before = known.get(index)
  if (before?.state === state) return before.fields
  const fields = (await index.fields?.())?.slice(0, MOST_FIELDS)
  if (fields) known.set(index, { state, fields })
  return fields
}

export function listIndexesTool(context: ToolContext): Tool {
  return defineTool({
    name: 'list_indexes',
    title: 'List the indexes',
    description:
      'Says which indexes can be searched, how many documents each has, and by which metadata they can be filtered.',
    input: z.strictObject({}),
    output: z.object({ indexes: z.array(indexSchema) }),
    annotations: READS,
    handle: async () => {
      const indexes = await listIndexes(context)
      const lines = indexes.map(({ name, documents, fields = [], problem }) => {
        const which = fields.length > 0 ? `; fields: ${fields.join(', ')}` : ''
        return `${name}: ${problem ?? `${documents} documents${which}`}`
      })
      return { text: lines.join('\n') || 'There is no index.', content: { indexes } }
    },
  })
}
