import type { Encoder } from '../encoder.js'
import type { Store, StoreProblem } from '../store/store.js'
import { checkDocument, contentHash } from './input.js'
import { embed } from './upsert.js'

/** What `repair` did. */
export interface RepairResult {
  /** What `verify` had found. */
  readonly problems: readonly StoreProblem[]
  /** Ids of documents whose vectors were made again from their texts: they are as they were. */
  readonly mended: readonly string[]
  /** Ids of documents that are left without their vectors, so that no search finds them, or without their texts: upsert them again. */
  readonly incomplete: readonly string[]
}

/** Texts encoded at a time. */
const BATCH = 64

/**
 * Makes vectors again where the text and the model that they came from are there; what else is damaged the store gives up.
 *
 * @param inTurn runs a change after all before it
 */
export async function repairStore(
  store: Store,
  model: Encoder | undefined,
  signal: AbortSignal | undefined,
): Promise<RepairResult> {
  const problems = (await store.verify?.({ signal })) ?? []
  const ids = [...new Set(problems.flatMap(({ id }) => id ?? []))]
  const mended: string[] = []
  const toEncode = model ? ids : []
  for (let at = 0; at < toEncode.length; at += BATCH) {
    signal?.throwIfAborted()
    mended.push(...(await encodeAgain(store, model!, toEncode.slice(at, at + BATCH), signal)))
  }
  const left = problems.filter(({ id }) => id === undefined || !mended.includes(id))
  if (left.length > 0) await store.repair?.(left)
  return { problems, mended, incomplete: ids.filter((id) => !mended.includes(id)) }
}

async function encodeAgain(store: Store, model: Encoder, ids: readonly string[], signal: AbortSignal | undefined) {
  const lost = new Set<string>()
  const found = await store.get(ids, { onDamaged: (id) => lost.add(id) })
  const documents = found.flatMap((document, i) => {
    if (!document || document.text === undefined || lost.has(document.id)) return []
    const { id, text, metadata, hash } = document
    const checked = checkDocument({ id, text, metadata }, i, true)
    // Made by another model, with other options or elsewhere: what vectors it had is not known.
    return contentHash(checked, model.fingerprint) === hash ? [{ checked, hash }] : []
  })
  if (documents.length === 0) return []
  const embeddings = await embed(
    store,
    model,
    documents.map(({ checked }) => checked),
    { signal, encoding: {} },
    () => {},
  )
  const written = documents.map(({ checked: { id, text, metadata }, hash }, i) => {
    return { id, text, metadata, hash, embeddings: embeddings[i] }
  })
  const { name, fingerprint } = model
  await store.upsert(written, { dim: store.spec.dim, model: { name, fingerprint } })
  return written.map(({ id }) => id)
}
