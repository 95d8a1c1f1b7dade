import type { MultiVectorIndex } from '@serotine/core'
import type { TextDocument } from '../input/read-texts.js'

/** Passages committed together, unless one file has more. */
const GROUP_PASSAGES = 256
/** Most passages of one commit: their vectors are in memory. A file that has more is replaced in several. */
const MOST_PASSAGES = 2_000

/** What became of passages. */
export interface Taken {
  added: number
  updated: number
  unchanged: number
  removed: number
}

/** Puts the passages of whole files in the place of what the index has of them: each file in one commit, small files together. */
export class Sources {
  readonly taken: Taken = { added: 0, updated: 0, unchanged: 0, removed: 0 }
  readonly #index: MultiVectorIndex
  readonly #signal: AbortSignal
  /** Ids that the index has of each source. */
  readonly #before: Map<string, string[]>
  #documents: TextDocument[] = []
  #gone: string[] = []
  #done: (() => void)[] = []

  private constructor(index: MultiVectorIndex, signal: AbortSignal, before: Map<string, string[]>) {
    this.#index = index
    this.#signal = signal
    this.#before = before
  }

  /** @param sources those that will be replaced or removed */
  static async begin(index: MultiVectorIndex, sources: ReadonlySet<string>, signal: AbortSignal): Promise<Sources> {
    return new Sources(index, signal, await idsOf(index, sources, signal))
  }

  /**
   * The first id of a source that another one holds, and which.
   *
   * @param isThere whether a source is there; one that is not has lost its ids
   */
  async clash(
    source: string,
    documents: readonly TextDocument[],
    isThere: (source: string) => boolean,
  ): Promise<{ id: string; source: string } | undefined> {
    const coming = new Map(this.#documents.map(({ id, metadata }) => [id, metadata.source]))
    const ids = documents.map(({ id }) => id)
    const known = await this.#index.get(ids, { text: false })
    for (const [i, id] of ids.entries()) {
      const holder = coming.get(id) ?? known[i]?.metadata['source']
      if (known[i] === undefined && holder === undefined) continue
      if (typeof holder !== 'string') return { id, source: 'a document that was added otherwise' }
      if (holder !== source && isThere(holder)) return { id, source: holder }
    }
    return undefined
  }

  /** @param done called when it is committed */
  async replace(source: string, documents: readonly TextDocument[], done: () => void): Promise<void> {
    if (this.#documents.length > 0 && this.#documents.length + documents.length > GROUP_PASSAGES) await this.commit()
    this.#documents.push(...documents)
    this.#gone.push(...(this.#before.get(source) ?? []))
    this.#done.push(done)
    if (this.#documents.length >= GROUP_PASSAGES) await this.commit()
  }

  /**
   * A source that is too large to be in memory: record by record, then what is gone of it.
   *
   * @param check called with the records to come
   * @param isWhole whether what was read is all there is
   */
  async stream(
    source: string,
    documents: AsyncIterable<TextDocument>,
    check: (documents: readonly TextDocument[]) => Promise<void>,
    isWhole: () => Promise<boolean>,
  ): Promise<boolean> {
    await this.commit()
    const ids = new Set<string>()
    const checked = async function* () {
      let batch: TextDocument[] = []
      for await (const document of documents) {
        ids.add(document.id)
        batch.push(document)
        if (batch.length < GROUP_PASSAGES) continue
        await check(batch)
        yield* batch
        batch = []
      }
      await check(batch)
      yield* batch
    }
    const signal = this.#signal
    this.#add(await this.#index.upsert(checked(), { signal }))
    if (!(await isWhole())) return false
    const gone = (this.#before.get(source) ?? []).filter((id) => !ids.has(id))
    this.taken.removed += await this.#index.delete(gone, { signal })
    return true
  }

  /** Sources that are no longer there go, together with what has not been committed yet: a file that was renamed is never there twice, nor gone. */
  async remove(sources: readonly string[], done: () => void): Promise<void> {
    // Asked again: by now an id of theirs may be another source's.
    const ids = await idsOf(this.#index, new Set(sources), this.#signal)
    for (const list of ids.values()) this.#gone.push(...list)
    this.#done.push(done)
    await this.commit()
  }

  async commit(): Promise<void> {
    const [documents, gone, done] = [this.#documents, this.#gone, this.#done]
    ;[this.#documents, this.#gone, this.#done] = [[], [], []]
    if (done.length === 0) return
    const signal = this.#signal
    let at = 0
    for (; documents.length - at > MOST_PASSAGES; at += MOST_PASSAGES) {
      this.#add(await this.#index.upsert(documents.slice(at, at + MOST_PASSAGES), { signal }))
    }
    const stay = new Set(documents.map(({ id }) => id))
    const last = { delete: gone.filter((id) => !stay.has(id)), signal }
    this.#add(await this.#index.upsert(documents.slice(at), last))
    for (const each of done) each()
  }

  #add({ added, updated, unchanged, deleted = 0 }: Omit<Taken, 'removed'> & { deleted?: number }): void {
    this.taken.added += added
    this.taken.updated += updated
    this.taken.unchanged += unchanged
    this.taken.removed += deleted
  }
}

async function idsOf(
  index: MultiVectorIndex,
  sources: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Map<string, string[]>> {
  const ids = new Map<string, string[]>()
  if (sources.size === 0) return ids
  const isOf = (source: unknown): boolean => sources.has(source as string)
  const passages = index.scan({ where: ({ metadata }) => isOf(metadata['source']), text: false, signal })
  for await (const { id, metadata } of passages) {
    const source = metadata['source'] as string
    const list = ids.get(source)
    if (list) list.push(id)
    else ids.set(source, [id])
  }
  return ids
}
