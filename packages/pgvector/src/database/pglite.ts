import { BEGINNING } from './connection.js'
import type { Client, Connection, Mode, Row, Value } from './connection.js'

interface Queries {
  query(text: string, values?: unknown[], options?: object): Promise<{ rows: unknown[] }>
}

/** Bytes as hexadecimal digits, by Node's own means: that of PGlite takes a second for a megabyte. */
const BYTES = {
  serializers: {
    17: (bytes: Uint8Array) => `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`,
  },
}

interface TransactionLike extends Queries {
  exec(text: string): Promise<unknown>
  rollback(): Promise<void>
}

/** A `PGlite`. */
export interface PGliteLike extends Queries {
  exec(text: string): Promise<unknown>
  transaction<T>(work: (transaction: TransactionLike) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** The only connection there is. A transaction is PGlite's own, so that what an application does beside it waits for its end. */
class PGliteConnection implements Connection {
  readonly #database: PGliteLike
  #transaction: TransactionLike | undefined
  #end: ((how: 'commit' | 'rollback') => void) | undefined
  #ended: Promise<void> = Promise.resolve()

  constructor(database: PGliteLike) {
    this.#database = database
  }

  async begin(mode: Mode, settings: readonly string[]): Promise<undefined> {
    const end = new Promise<'commit' | 'rollback'>((resolve) => (this.#end = resolve))
    await new Promise<void>((resolve, reject) => {
      this.#ended = this.#database.transaction(async (transaction) => {
        this.#transaction = transaction
        resolve()
        if ((await end) === 'rollback') await transaction.rollback()
      })
      this.#ended.catch(reject)
    })
    await this.#transaction!.exec([`set transaction ${BEGINNING[mode]}`, ...settings].join('; '))
  }

  async query(text: string, values: readonly Value[] = []): Promise<readonly Row[]> {
    const { rows } = await this.#transaction!.query(text, [...values], BYTES)
    return rows as Row[]
  }

  /** Nobody but this process can set a limit, and it has the only session. */
  async alone(text: string): Promise<void> {
    await this.#database.query(text)
  }

  commit(): Promise<void> {
    return this.#finish('commit')
  }

  rollback(): Promise<void> {
    return this.#finish('rollback')
  }

  async #finish(how: 'commit' | 'rollback'): Promise<void> {
    this.#transaction = undefined
    this.#end?.(how)
    await this.#ended
  }

  async cancel(): Promise<boolean> {
    return false
  }

  release(): void {}
}

/** @param owned made for the store, and closed with it */
export function pglite(database: PGliteLike, owned: boolean): Client {
  return {
    concurrent: false,
    connect: async () => new PGliteConnection(database),
    end: async () => {
      if (owned) await database.close()
    },
  }
}

export function isPGlite(client: object): client is PGliteLike {
  return 'exec' in client && 'transaction' in client && 'query' in client
}
