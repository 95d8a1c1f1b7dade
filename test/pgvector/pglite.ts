// One PGlite for all cases of a file: starting one takes seconds.
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'

let started: Promise<PGlite> | undefined

export function pglite(): Promise<PGlite> {
  return (started ??= PGlite.create({ extensions: { vector } }))
}

export async function stopPglite(): Promise<void> {
  await (await started)?.close()
  started = undefined
}
