import { beginning } from './connection.js'
import type { Begun, Client, Connection, Mode, Row, Value } from './connection.js'

/** What a statement of `postgres` is until it has been answered. */
interface PendingQuery extends PromiseLike<readonly Row[]> {
  simple(): this
  cancel(): void
}

interface Unsafe {
  unsafe(text: string, values?: readonly Value[]): PendingQuery
}

/** The function that `postgres()` returns. */
export interface PostgresSql {
  (...given: never[]): unknown
  reserve(): Promise<unknown>
  unsafe(text: string, values?: never): unknown
  end(options?: { timeout?: number }): Promise<void>
}

class PostgresConnection implements Connection {
  readonly #sql: Unsafe & { release(): void }
  #running: PendingQuery | undefined

  constructor(sql: Unsafe & { release(): void }) {
    this.#sql = sql
  }

  async begin(mode: Mode, settings: readonly string[]): Promise<string | undefined> {
    // Many statements, many results.
    const all = (await this.#sql.unsafe(beginning(mode, settings)).simple()) as unknown as Begun[][]
    return all.at(-1)![0]!.transaction ?? undefined
  }

  async query(text: string, values: readonly Value[] = []): Promise<readonly Row[]> {
    const query = this.#sql.unsafe(text, values)
    this.#running = query
    try {
      return await query
    } finally {
      this.#running = undefined
    }
  }

  async commit(): Promise<void> {
    await this.#sql.unsafe('commit')
  }

  async rollback(): Promise<void> {
    await this.#sql.unsafe('rollback')
  }

  async cancel(): Promise<boolean> {
    this.#running?.cancel()
    return this.#running !== undefined
  }

  release(): void {
    this.#sql.release()
  }
}

export function postgresJs(sql: PostgresSql): Client {
  return {
    concurrent: true,
    connect: async () => new PostgresConnection((await sql.reserve()) as Unsafe & { release(): void }),
    end: async () => {},
  }
}

export function isPostgresJs(client: unknown): client is PostgresSql {
  return typeof client === 'function' && 'reserve' in client && 'unsafe' in client
}
