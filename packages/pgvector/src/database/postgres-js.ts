import { SerotineError } from '@serotine/core'
import { codeOf } from '../errors.js'
import { BEGINNING, beginning, runAlone } from './connection.js'
import type { Begun, Client, Connection, Mode, Row, Value } from './connection.js'

/** What a statement of `postgres` is until it has been answered. */
interface PendingQuery extends PromiseLike<readonly Row[]> {
  simple(): this
  cancel(): void
  /** Of the connection it was sent on. */
  readonly state?: { readonly pid: number | null }
}

interface Unsafe {
  unsafe(text: string, values?: readonly Value[]): PendingQuery
}

/** The function that `postgres()` returns. */
export interface PostgresSql {
  (...given: never[]): unknown
  reserve(): Promise<unknown>
  begin(options: string, work: never): Promise<unknown>
  unsafe(text: string, values?: never): unknown
  end(options?: { timeout?: number }): Promise<void>
  readonly options?: { readonly prepare?: boolean }
}

/** Takes a transaction back. */
const ROLLBACK = new Error('rollback')

/**
 * A transaction is `sql.begin`'s, which learns when its connection is lost: a connection of `sql.reserve` that is used or released after that ends the process
 * (`postgres` 3.4.9 writes to the socket that is no more).
 */
class PostgresConnection implements Connection {
  readonly #sql: PostgresSql
  #transaction: Unsafe | undefined
  #end: ((how: 'commit' | 'rollback') => void) | undefined
  #ended: Promise<unknown> = Promise.resolve()
  /** Why the connection was lost. */
  #lost: { readonly error: unknown } | undefined
  #running: PendingQuery | undefined

  constructor(sql: PostgresSql) {
    this.#sql = sql
  }

  async begin(mode: Mode, settings: readonly string[]): Promise<string | undefined> {
    const end = new Promise<'commit' | 'rollback'>((resolve) => (this.#end = resolve))
    await new Promise<void>((resolve, reject) => {
      const work = async (transaction: Unsafe): Promise<void> => {
        this.#transaction = transaction
        resolve()
        if ((await end) === 'rollback') throw ROLLBACK
      }
      this.#ended = this.#sql.begin(BEGINNING[mode], work as never)
      this.#ended.catch((error: unknown) => {
        this.#lost = { error }
        reject(error)
      })
    })
    // Many statements, many results.
    const query = this.#transaction!.unsafe(beginning(mode, settings)).simple()
    const begun = ((await this.#ask(query)) as unknown as Begun[][]).at(-1)![0]!
    if (this.#sql.options?.prepare !== false && query.state && query.state.pid !== begun.process) throw prepares()
    return begun.transaction ?? undefined
  }

  async query(text: string, values: readonly Value[] = []): Promise<readonly Row[]> {
    if (this.#lost) throw this.#lost.error
    return this.#ask(this.#transaction!.unsafe(text, values))
  }

  async #ask(query: PendingQuery): Promise<readonly Row[]> {
    this.#running = query
    try {
      return await query
    } finally {
      this.#running = undefined
    }
  }

  async alone(text: string): Promise<void> {
    const session = (await this.#sql.reserve()) as Unsafe & { release(): void }
    let process: number | undefined
    const query = async (each: string): Promise<readonly Row[]> => {
      const pending = session.unsafe(each)
      const rows = await pending
      process = pending.state?.pid ?? undefined
      return rows
    }
    try {
      await runAlone(query, () => process, text)
    } catch (error) {
      if (isRefused(error)) session.release()
      throw error
    }
    session.release()
  }

  commit(): Promise<void> {
    return this.#finish('commit')
  }

  async rollback(): Promise<void> {
    await this.#finish('rollback').catch((error: unknown) => {
      if (error !== ROLLBACK && !isRefused(error)) throw error
    })
  }

  /** Not where the connection is lost: the driver would send it there. */
  async #finish(how: 'commit' | 'rollback'): Promise<void> {
    if (!this.#lost) this.#end?.(how)
    await this.#ended
  }

  async cancel(): Promise<boolean> {
    this.#running?.cancel()
    return this.#running !== undefined
  }

  /** With the end of a transaction the driver has its connection back. */
  release(): void {}
}

/** The driver's `commit` is a prepared statement. The server it was prepared on may be another; the transaction is undone then, and nobody told. */
function prepares(): SerotineError {
  return new SerotineError(
    'INVALID_ARGUMENT',
    'There is a pooler before the database, and this client of postgres uses prepared statements, by which transactions get lost there. Make it with prepare: false: postgres(url, { prepare: false })',
  )
}

/** The server refused a statement, and the connection is as it was. */
function isRefused(error: unknown): boolean {
  const { severity } = error as { severity?: unknown }
  return /^[0-9A-Z]{5}$/.test(codeOf(error) ?? '') && severity === 'ERROR'
}

export function postgresJs(sql: PostgresSql): Client {
  return {
    concurrent: true,
    connect: async () => new PostgresConnection(sql),
    end: async () => {},
  }
}

export function isPostgresJs(client: unknown): client is PostgresSql {
  return typeof client === 'function' && 'reserve' in client && 'unsafe' in client
}
