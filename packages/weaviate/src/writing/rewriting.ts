import type { Catalog } from '../catalog.js'

/** Whose change has begun so long ago is gone: nothing of it comes any more. */
export const GONE_MS = 10 * 60_000

export interface Rewritten {
  readonly id: string
  readonly uuid: string
}

/**
 * Runs work that writes documents as they are: it says so first, and leaves out those that somebody is changing. Who changes documents says that first,
 * too, and waits for such work. So one of the two sees the other, and no document is put back to what it was.
 *
 * @param by who does so: one work at a time
 * @param work is given the uuids of those that nobody changes
 */
export async function rewriting(
  catalog: Catalog,
  by: string,
  documents: readonly Rewritten[],
  work: (uuids: readonly string[]) => Promise<void>,
): Promise<void> {
  const { end } = await catalog.beginEncoding(
    by,
    documents.map(({ id }) => id),
  )
  try {
    const changing = new Set<string>()
    for (const { change } of await catalog.unfinished('change')) {
      if (Date.now() - change.at > GONE_MS) continue
      for (const id of [...(change.ids ?? []), ...(change.gone ?? [])]) changing.add(id)
    }
    await work(documents.flatMap(({ id, uuid }) => (changing.has(id) ? [] : [uuid])))
  } finally {
    await end()
  }
}
