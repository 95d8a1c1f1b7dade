import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SerotineError } from '@serotine/core'
import type { ColBERT, MultiVectorIndex } from '@serotine/core'
import type { ServedIndex } from '@serotine/server'
import { isAddress } from './store-address.js'

/** An index that is open, and what it was opened with. */
export interface OpenedIndex {
  readonly index: MultiVectorIndex
  readonly model: ColBERT
  /** Folder that sources are relative to. */
  readonly root: string
}

/**
 * An index of a folder that others write: each search sees what has been committed before it. It may not be there yet, and may be replaced by
 * one of another model.
 */
export class LiveIndex implements ServedIndex {
  readonly folder: string
  readonly #open: () => Promise<OpenedIndex>
  readonly #onProblem: (message: string) => void
  #opened: OpenedIndex | undefined
  /** Of the manifest, when it was last looked at. */
  #seen: string | undefined
  #turn: Promise<unknown> = Promise.resolve()

  /**
   * @param open opens the folder for reading, by what it is now
   * @param onProblem told once when what is new cannot be opened; searches go on with what was there
   */
  constructor(folder: string, open: () => Promise<OpenedIndex>, onProblem: (message: string) => void) {
    this.folder = folder
    this.#open = open
    this.#onProblem = onProblem
  }

  /** One that is there. @throws as `current` */
  static async open(...how: ConstructorParameters<typeof LiveIndex>): Promise<LiveIndex> {
    const index = new LiveIndex(...how)
    await index.current()
    return index
  }

  /** The index as it is now. @throws INVALID_ARGUMENT when there is none; what opening throws */
  current(): Promise<OpenedIndex> {
    const look = this.#turn.then(() => this.#look())
    this.#turn = look.catch(() => {})
    return look
  }

  /** Where sources are relative to; undefined before the index was opened. */
  get root(): string | undefined {
    return this.#opened?.root
  }

  readonly searchDetailed: ServedIndex['searchDetailed'] = async (query, options) =>
    (await this.current()).index.searchDetailed(query, options)

  readonly stats: ServedIndex['stats'] = async () => (await this.current()).index.stats()

  readonly fields = async (): Promise<string[]> => (await this.current()).index.fields()

  readonly explain: NonNullable<ServedIndex['explain']> = async (query, text, options) =>
    (await this.current()).model.explain(query, text, options)

  readonly get = (async (id: string, options) => (await this.current()).index.get(id, options)) as ServedIndex['get']

  readonly scan = ((options) => this.#scan(options)) as ServedIndex['scan']

  readonly upsert: ServedIndex['upsert'] = async (documents, options) =>
    (await this.current()).index.upsert(documents, options)

  readonly delete: ServedIndex['delete'] = async (what) => (await this.current()).index.delete(what)

  async close(): Promise<void> {
    await this.#turn
    await this.#opened?.index.close()
  }

  async *#scan(options: Parameters<ServedIndex['scan']>[0]): ReturnType<ServedIndex['scan']> {
    yield* (await this.current()).index.scan(options)
  }

  async #look(): Promise<OpenedIndex> {
    // Looked at before it is opened: what is committed meanwhile is looked at again.
    const state = await stateOf(this.folder)
    if (!this.#opened) {
      if (state === undefined) throw notThere(this.folder)
      this.#opened = await this.#open()
    } else if (state !== undefined && state !== this.#seen) {
      await this.#renew(this.#opened)
    }
    this.#seen = state ?? this.#seen
    return this.#opened
  }

  async #renew(before: OpenedIndex): Promise<void> {
    try {
      await before.index.refresh()
    } catch {
      // Made anew, perhaps by another model.
      try {
        this.#opened = await this.#open()
        // Searches under way end before it is closed.
        void before.index.close()
      } catch (error) {
        this.#onProblem(
          `${this.folder} has changed and cannot be opened; searches see what was there before: ${messageOf(error)}`,
        )
      }
    }
  }
}

/** Changes with every commit: a commit puts a new manifest in the place of the old one. */
async function stateOf(folder: string): Promise<string | undefined> {
  // A database shows what others write by itself.
  if (isAddress(folder)) return folder
  try {
    const { ino, mtimeMs, size } = await stat(join(folder, 'manifest.json'))
    return `${ino} ${mtimeMs} ${size}`
  } catch {
    return undefined
  }
}

function notThere(folder: string): SerotineError {
  return new SerotineError(
    'INVALID_ARGUMENT',
    `There is no index at ${folder} yet. Make it with: serotine index <paths> --out ${folder}. It is found when it is there.`,
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
