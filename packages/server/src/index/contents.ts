import { z } from 'zod'
import type { Json, Metadata } from '@serotine/core'
import { commonWords } from '@serotine/core/highlight'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { ServedIndex } from '../options.js'
import type { Collections } from './collections.js'

/** Documents looked at: fields and values of a larger index are those of its first ones. */
const MOST_DOCUMENTS = 50_000
/** A field with more different values is one to type into, not to choose from. */
const MOST_VALUES = 500
const SHOWN_VALUES = 50
const LONGEST_VALUE = 200
const MOST_FIELDS = 200
/** Texts looked at to find common words. */
const SAMPLE = 300
const SHOWN_WORDS = 500

const fieldSchema = z.object({
  name: z.string().meta({ description: 'As in `where`: with dots for fields inside objects.' }),
  types: z.array(z.enum(['string', 'number', 'boolean', 'null', 'array', 'object'])),
  documents: z.int().meta({ description: 'Documents that have it.' }),
  values: z
    .array(z.object({ value: z.union([z.string(), z.number(), z.boolean()]), documents: z.int() }))
    .optional()
    .meta({ description: `The most frequent ones, up to ${SHOWN_VALUES}; absent where there are very many.` }),
})

const contentsSchema = z.object({
  index: z.string(),
  read: z.int().meta({ description: `Documents that were looked at: the first ${MOST_DOCUMENTS} at most.` }),
  fields: z.array(fieldSchema),
  common_words: z
    .array(z.string())
    .meta({ description: 'Words, in small letters, of more than 20 % of a sample of the texts.' }),
})
type Contents = Omit<z.output<typeof contentsSchema>, 'index'>
type FieldType = z.output<typeof fieldSchema>['types'][number]

/** What documents of an index have, so that a filter can be chosen. Looked up once for each state of an index. */
export function contentsRoutes(collections: Collections): Route[] {
  const known = new WeakMap<ServedIndex, { generation: number; contents: Promise<Contents> }>()
  return [
    defineRoute({
      method: 'get',
      paths: ['/v1/indexes/{name}/contents'],
      summary: 'Fields of an index to filter by, their values, and the words that are common in it',
      tag: 'indexes',
      response: contentsSchema,
      errors: [404],
      handle: async ({ params }) => {
        const { name, index } = collections.find(params['name'])
        const { generation, documents } = await index.stats()
        let found = known.get(index)
        if (found?.generation !== generation) {
          // Not ended with one request: others wait for the same.
          found = { generation, contents: readContents(index, documents) }
          found.contents.catch(() => known.delete(index))
          known.set(index, found)
        }
        return Response.json({ index: name, ...(await found.contents) })
      },
    }),
  ]
}

async function readContents(index: ServedIndex, documents: number): Promise<Contents> {
  const fields = new Map<string, Field>()
  const sample: string[] = []
  const step = Math.max(1, Math.floor(Math.min(documents, MOST_DOCUMENTS) / SAMPLE))
  let read = 0
  for await (const { id, metadata } of index.scan({ text: false })) {
    if (read === MOST_DOCUMENTS) break
    if (read++ % step === 0 && sample.length < SAMPLE) sample.push(id)
    count(fields, metadata, '')
  }
  const stored = await index.get(sample)
  return {
    read,
    fields: [...fields].map(([name, field]) => field.described(name)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    common_words: [...commonWords(stored.flatMap((document) => document?.text ?? []))].slice(0, SHOWN_WORDS),
  }
}

class Field {
  #documents = 0
  readonly #types = new Set<FieldType>()
  /** How many documents have each value; undefined when there are too many. */
  #values: Map<string | number | boolean, number> | undefined = new Map()

  add(value: Json): void {
    this.#documents++
    this.#types.add(value === null ? 'null' : Array.isArray(value) ? 'array' : (typeof value as FieldType))
    for (const one of Array.isArray(value) ? new Set(value) : [value]) {
      if (typeof one === 'object') continue
      if (typeof one === 'string' && one.length > LONGEST_VALUE) this.#values = undefined
      this.#values?.set(one, (this.#values.get(one) ?? 0) + 1)
      if (this.#values && this.#values.size > MOST_VALUES) this.#values = undefined
    }
  }

  described(name: string): Contents['fields'][number] {
    const values = [...(this.#values ?? [])].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    return {
      name,
      types: [...this.#types],
      documents: this.#documents,
      ...(values.length > 0 && {
        values: values.slice(0, SHOWN_VALUES).map(([value, documents]) => ({ value, documents })),
      }),
    }
  }
}

function count(fields: Map<string, Field>, metadata: Metadata, path: string): void {
  for (const [key, value] of Object.entries(metadata)) {
    const name = path + key
    let field = fields.get(name)
    if (!field) {
      if (fields.size === MOST_FIELDS) continue
      fields.set(name, (field = new Field()))
    }
    field.add(value)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      count(fields, value as Metadata, `${name}.`)
  }
}
