// A server with a page, with an index that has a first stage, fields of every kind and an order that MaxSim changes.
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { createServer } from '../../../packages/server/src/index.js'
import type { LogEntry, ServerOptions } from '../../../packages/server/src/index.js'
import { BIRDS } from '../../contract/birds.js'

export interface Library {
  readonly url: string
  readonly port: number
  readonly index: MultiVectorIndex
  readonly log: LogEntry[]
  close(): Promise<void>
}

/** Ten birds, and places they live in: enough that a first stage errs. */
export function documents() {
  const places = ['islands', 'forests', 'mountains', 'rivers', 'coasts', 'deserts']
  return [
    ...BIRDS.map(({ id, text, lang, year }) => ({ id, text, metadata: { lang, year, title: `About ${id}` } })),
    ...places.flatMap((place, i) =>
      ['swim', 'sing', 'nest', 'migrate', 'hide'].map((verb, j) => ({
        id: `${place}-${verb}`,
        text: `Many birds of the ${place} ${verb} in spring, and some of them cannot fly far.`,
        metadata: { lang: 'en', year: 2000 + i * 5 + j, rare: j === 0, tags: [place, verb], at: { place } },
      })),
    ),
  ]
}

let model: Promise<ColBERT> | undefined

/** @param given documents; `false` serves no index */
export async function openLibrary(
  options: ServerOptions = {},
  given: readonly { id: string; text: string; metadata?: object }[] | false = documents(),
  port = 0,
): Promise<Library> {
  const shared = await (model ??= ColBERT.load())
  const index = await MultiVectorIndex.open(undefined, { model: shared, firstStage: 'centroids' })
  if (given && given.length > 0) await index.upsert(given as never)
  await index.prepare()
  const log: LogEntry[] = []
  const server = createServer({
    model: shared,
    ...(given && { index }),
    onLog: (entry) => log.push(entry),
    ...options,
  })
  const { url, port: bound } = await server.listen({ port })
  return {
    url,
    port: bound,
    index,
    log,
    close: async () => {
      await server.close({ graceMs: 500 })
      await index.close()
    },
  }
}

export async function closeModel(): Promise<void> {
  await (await model)?.close()
  model = undefined
}
