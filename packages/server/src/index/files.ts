import { SerotineError } from '@serotine/core'
import type { IndexedDocument } from '@serotine/core'
import { z } from 'zod'
import { HttpError } from '../http/errors.js'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { ReadFile, SentFile, ServedIndex, ServerLimits } from '../options.js'
import type { Collections } from './collections.js'
import { indexName } from './search.js'

/** Marks the source of what was sent: no path of a folder that is indexed looks like it. */
const SENT = 'upload:'

/** Codes of files that cannot be read: their messages name what was sent. */
const UNREADABLE: ReadonlySet<string> = new Set(['INPUT_FORMAT', 'READER_MISSING', 'DUPLICATE_ID'])

const filesResponse = z.object({
  index: z.string(),
  source: z.string().meta({ description: 'In the metadata of each of its documents.' }),
  documents: z.int().meta({ description: 'How many the file became.' }),
  split: z.boolean().meta({ description: 'False: this server keeps each file whole.' }),
  added: z.int(),
  updated: z.int(),
  unchanged: z.int(),
  deleted: z.int().meta({ description: 'Documents of an earlier file of that name that are in this one no more.' }),
})

/** Files that become documents. */
export function fileRoutes(collections: Collections, limits: ServerLimits, readFile: ReadFile | undefined): Route[] {
  const fileRequest = z
    .strictObject({
      index: indexName.optional(),
      name: z
        .string()
        .min(1)
        .max(300)
        // oxlint-disable-next-line no-control-regex
        .regex(/^[^\x00-\x1f\x7f]+$/, 'it must have no control characters')
        .meta({ description: 'Its ending says what it is; the name is no path here.', example: 'notes.md' }),
      text: z.string().optional().meta({ description: 'The file as text, or:' }),
      base64: z.base64().optional().meta({ description: 'The file as bytes.' }),
    })
    .meta({ oneOf: [{ required: ['text'] }, { required: ['base64'] }] })
  return [
    defineRoute({
      method: 'post',
      paths: ['/v1/files'],
      summary: 'Add a file, in the place of an earlier one of that name',
      tag: 'documents',
      body: fileRequest,
      response: filesResponse,
      errors: [403, 404],
      handle: async ({ body, signal }) => {
        const { name: file, text, base64 } = body
        const { name, index } = collections.findWritable(body.index)
        if ((text === undefined) === (base64 === undefined)) {
          throw new HttpError(400, 'INVALID_REQUEST', 'Give text or base64: one of them is the file.')
        }
        const source = `${SENT}${file}`
        const bytes = text === undefined ? Buffer.from(base64!, 'base64') : Buffer.from(text)
        const documents = await read({ name: file, source, bytes, signal }, readFile ?? wholeFile(limits))
        const changed = await index.upsert(documents, { signal })
        const deleted = await deleteOthers(index, source, new Set(documents.map(({ id }) => id)))
        return Response.json({
          index: name,
          source,
          documents: documents.length,
          split: readFile !== undefined,
          ...changed,
          deleted,
        })
      },
    }),
  ]
}

async function read(file: SentFile, readFile: ReadFile): Promise<readonly IndexedDocument[]> {
  let documents: readonly IndexedDocument[]
  try {
    documents = await readFile(file)
  } catch (error) {
    if (!SerotineError.isInstance(error) || !UNREADABLE.has(error.code)) throw error
    throw new HttpError(400, error.code, error.message)
  }
  if (documents.length > 0) return documents
  throw new HttpError(400, 'INVALID_REQUEST', `${file.name} has no text.`)
}

/** Where nobody splits files: text, as one document. */
function wholeFile({ documentCharacters }: ServerLimits): ReadFile {
  return async ({ name, source, bytes }) => {
    const text = decode(name, bytes)
    if (text.trim() === '') return []
    if (text.length <= documentCharacters) return [{ id: source, text, metadata: { source } }]
    throw new HttpError(
      400,
      'INVALID_REQUEST',
      `${name} is longer than ${documentCharacters} characters, and this server keeps files whole. Split it, or raise limits.documentCharacters.`,
    )
  }
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (!text.includes('\0')) return text
  } catch {
    // Said below.
  }
  throw new HttpError(400, 'INPUT_FORMAT', `${name} is not text in UTF-8.`)
}

async function deleteOthers(index: ServedIndex, source: string, kept: ReadonlySet<string>): Promise<number> {
  const gone: string[] = []
  for await (const { id } of index.scan({ where: { source }, text: false })) if (!kept.has(id)) gone.push(id)
  return gone.length === 0 ? 0 : index.delete(gone)
}
