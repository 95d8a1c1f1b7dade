import { describe } from '@serotine/core/options'
import { recordBytes } from '@serotine/core/store'
import type { StoreProblem } from '@serotine/core/store'
import type { Servers } from '../client/servers.js'
import type { Cluster } from '../cluster.js'
import type { FdeVersion } from '../fde.js'
import type { FoundObject } from '../protocol/search.js'
import type { NamedVector } from '../protocol/vectors.js'
import { HEAD, idOf, RECORD, recordOf } from '../rows.js'
import { TOKEN_VECTORS } from '../schema.js'
import { ABANDONED_MS } from './changes.js'
import type { Collection } from './changes.js'

const PAGE = 200
/** What every replica has of a document, and the same. */
const COPY = [...HEAD, 'size', 'fde']

export interface Verified extends Collection {
  readonly servers: Servers
  readonly cluster: Cluster
  readonly dim: number | null
  readonly isNative: boolean
}

/** The section of a problem that is of the index of encodings. */
export const REACHED = 'fde'
/** The section of a change that did not end. */
export const CHANGE = 'change'

/** Documents whose vectors are damaged, and those that searches do not reach; changes that did not end. */
export async function verify(verified: Verified, signal: AbortSignal | undefined): Promise<StoreProblem[]> {
  signal?.throwIfAborted()
  const { documents, codec, dim } = verified
  const problems = await unfinished(verified, signal)
  if (dim === null) return problems
  for await (const page of documents.list([...COPY, RECORD], { page: PAGE, signal })) {
    for (const object of page) {
      if (recordOf(object, codec, dim) !== undefined) continue
      const tokens = object.properties.tokens as number
      const message = `The vectors of ${describe(idOf(object))} are not the ${recordBytes(codec, tokens, dim)} bytes that ${tokens} tokens take.`
      problems.push({ id: idOf(object), section: 'vectors', message })
    }
    for (const { object, what } of await unreached(verified, page, signal)) {
      // Not by its id: nothing of the document is lost, and it need not be encoded again.
      const message = `Document ${describe(idOf(object))} is there, but ${what}.`
      problems.push({ section: REACHED, message })
    }
  }
  return problems
}

async function unfinished({ catalog }: Collection, signal: AbortSignal | undefined): Promise<StoreProblem[]> {
  const changes = await catalog.unfinished('change', { signal })
  return changes
    .filter(({ change: { at } }) => Date.now() - at > ABANDONED_MS)
    .map(({ change: { at, ids = [], gone = [] } }) => {
      const what = [ids.length > 0 && `${ids.length} documents written`, gone.length > 0 && `${gone.length} deleted`]
      const named = [...ids, ...gone].slice(0, 5).map(describe).join(', ')
      const message =
        `A change of ${new Date(at).toISOString()} did not end: ${what.filter(Boolean).join(' and ') || 'documents deleted'} (${named}), or some of ` +
        'them only. Make it again; what is in does no harm.'
      return { section: CHANGE, message }
    })
}

interface Unreached {
  readonly object: FoundObject
  /** For the message. */
  readonly what: string
}

/** Those of the documents that a server does not find by what stands for them, or of which it has a part only. */
export async function unreached(
  verified: Verified,
  page: readonly FoundObject[],
  signal: AbortSignal | undefined,
): Promise<Unreached[]> {
  const { servers, documents, fdes, isNative, dim } = verified
  const versions = isNative ? [] : await fdes.toSearch({ signal })
  const found = new Map<string, Unreached>()
  const note = (object: FoundObject, what: string) => {
    if (!found.has(object.uuid)) found.set(object.uuid, { object, what })
  }
  const searchable = page.filter(({ properties }) => (properties.tokens as number) > 0)
  for (const { url, find } of servers.endpoints.map((endpoint) => ({
    url: endpoint.address.url,
    find: async (objects: readonly FoundObject[], near?: NamedVector) => {
      const filter = { operator: 'containsAny', property: '_id', values: objects.map(({ uuid }) => uuid) } as const
      const request = { properties: near ? [] : COPY, limit: objects.length, filter, ...(near && { near }) }
      const objectsThere = objects.length === 0 ? [] : await documents.searchAt(endpoint, request, { signal })
      return new Map(objectsThere.map((object) => [object.uuid, object]))
    },
  }))) {
    const copies = await find(page)
    for (const object of page) {
      const copy = copies.get(object.uuid)
      if (!copy) note(object, `is not at ${url}`)
      else if (COPY.some((name) => copy.properties[name] !== object.properties[name]))
        note(object, `is not whole at ${url}`)
    }
    for (const { near, objects } of nearBy(searchable, versions, isNative ? dim! : undefined)) {
      const reached = await find(objects, near)
      for (const object of objects) if (!reached.has(object.uuid)) note(object, `is not found by searches at ${url}`)
    }
  }
  const known = new Set(versions.map(({ learned }) => learned.version))
  for (const object of versions.length > 0 ? searchable : []) {
    if (!known.has(object.properties.fde as number)) note(object, 'has no encoding that searches ask')
  }
  return [...found.values()]
}

/** Something that documents are near to, of each kind of vector that there is, and the documents that have one. */
function nearBy(
  objects: readonly FoundObject[],
  versions: readonly FdeVersion[],
  nativeDim: number | undefined,
): { readonly near: NamedVector; readonly objects: readonly FoundObject[] }[] {
  if (nativeDim !== undefined) {
    return [{ near: { name: TOKEN_VECTORS, data: new Float32Array(nativeDim).fill(1), dim: nativeDim }, objects }]
  }
  return versions.map(({ slot, encoder, learned }) => ({
    near: { name: slot, data: new Float32Array(encoder.outputDim).fill(1) },
    objects: objects.filter(({ properties }) => properties.fde === learned.version),
  }))
}
