import { ProtocolError, ProtocolErrorCode, ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server'
import type { McpServer } from '@modelcontextprotocol/server'
import { HttpError } from '../http/errors.js'
import { listIndexes } from './tools/list-indexes.js'
import type { ToolContext } from './tool.js'

const SCHEME = 'serotine:'
const LIST = 'serotine://indexes'
const LONGEST_URI = 10_000

/** The URI of a document. Every character of an id that has a meaning in URIs is written as `%xx`. */
export function documentUri(index: string, id: string): string {
  return `serotine://${index}/${encodeURIComponent(id)}`
}

/** The list of indexes, and each document. */
export function registerResources(
  server: McpServer,
  context: ToolContext,
  guarded: <T>(work: () => Promise<T>) => Promise<T>,
): void {
  const { collections } = context
  server.registerResource(
    'indexes',
    LIST,
    { title: 'Indexes', description: 'The indexes that can be searched', mimeType: 'application/json' },
    (uri) =>
      guarded(async () => {
        const text = JSON.stringify({ indexes: await listIndexes(context) })
        return { contents: [{ uri: uri.href, mimeType: 'application/json', text }] }
      }),
  )
  const starting = (value: string): string[] => collections.names.filter((name) => name.startsWith(value))
  server.registerResource(
    'document',
    new ResourceTemplate('serotine://{index}/{+id}', { list: undefined, complete: { index: starting } }),
    { title: 'Document', description: 'The text of a document; encode its id', mimeType: 'text/plain' },
    (uri) =>
      guarded(async () => {
        const { index: name, id } = documentOf(uri)
        const document = await found(() => collections.find(name).index, uri).then((index) => index.get(id))
        if (!document) throw new ResourceNotFoundError(uri.href)
        return { contents: [{ uri: uri.href, mimeType: 'text/plain', text: document.text ?? '' }] }
      }),
  )
}

/** Which document a URI names. It names nothing else: no part of it is a path. @throws ProtocolError */
function documentOf(uri: URL): { index: string; id: string } {
  if (uri.protocol === SCHEME && uri.href.length <= LONGEST_URI && uri.search === '' && uri.hash === '') {
    try {
      return { index: uri.hostname, id: decodeURIComponent(uri.pathname.slice(1)) }
    } catch {
      // Not encoded as it has to be.
    }
  }
  throw new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `The URI ${JSON.stringify(uri.href.slice(0, 200))} is not serotine://<index>/<id> with the id percent-encoded.`,
  )
}

async function found<T>(find: () => T, uri: URL): Promise<T> {
  try {
    return find()
  } catch (error) {
    throw error instanceof HttpError ? new ResourceNotFoundError(uri.href, `${error.message}`) : error
  }
}
