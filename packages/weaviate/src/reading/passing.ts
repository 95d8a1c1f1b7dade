import { filterPredicate } from '@serotine/core/store'
import type { Filter } from '@serotine/core/store'
import type { Metadata } from '@serotine/core'
import { afterId, MOST_RESULTS } from '../documents.js'
import type { Documents, ListOptions } from '../documents.js'
import { compileFilter } from '../filters/compile.js'
import { idOf } from '../rows.js'
import type { FoundObject } from '../protocol/search.js'

/** Up to so many documents, those that pass a filter are asked for; more are looked for among all. */
const FEW = 5_000

export interface PassingOptions {
  readonly after?: string | undefined
  readonly properties: readonly string[]
  readonly page?: number
  readonly signal?: AbortSignal | undefined
}

/** The documents that pass a filter, in the order of their uuids. `properties` have `key` and `metadata` with them. */
export async function* passing(
  documents: Documents,
  filter: Filter | undefined,
  { after, properties, page, signal }: PassingOptions,
): AsyncGenerator<readonly FoundObject[]> {
  const { over } = compileFilter(filter)
  if (over === false) return
  const passes = filter === undefined ? () => true : passesBy(filter)
  const listing: ListOptions = { after: afterId(after), signal, ...(page !== undefined && { page }) }
  if (over === true) {
    yield* only(documents.list(properties, listing), passes)
    return
  }
  const { count } = await documents.aggregate([], over, { signal })
  if (count > FEW) {
    yield* only(documents.list(properties, listing), passes)
    return
  }
  // What does not fit is asked for by uuid, so that answers stay small.
  const heads = await documents.search(
    { properties: ['key', 'metadata'], limit: MOST_RESULTS, filter: over },
    { signal },
  )
  const behind = heads.filter((found) => found.uuid > afterId(after) && passes(found))
  const uuids = behind.map(({ uuid }) => uuid).sort()
  const size = page ?? 500
  for (let at = 0; at < uuids.length; at += size) {
    const wanted = uuids.slice(at, at + size)
    const found = await documents.byUuid(wanted, properties, { signal })
    yield wanted.flatMap((uuid) => found.get(uuid) ?? [])
  }
}

export function passesBy(filter: Filter): (found: FoundObject) => boolean {
  const test = filterPredicate(filter)
  return (found) => test({ id: idOf(found), metadata: JSON.parse(found.properties.metadata as string) as Metadata })
}

async function* only(
  pages: AsyncIterable<readonly FoundObject[]>,
  passes: (found: FoundObject) => boolean,
): AsyncGenerator<readonly FoundObject[]> {
  for await (const page of pages) {
    const found = page.filter(passes)
    if (found.length > 0) yield found
  }
}
