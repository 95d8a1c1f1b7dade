import type * as pg from 'pg'
import { beginning } from './connection.js'
import type { Begun, Client, Connection, Mode, Row, Value } from './connection.js'

/** A Pool of `pg`, or what is shaped like one (`@neondatabase/serverless`). */
export interface PgPoolLike {
  connect(): Promise<PgClientLike & { release(error?: boolean): void }>
  query(text: string): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
  end(): Promise<void>
  readonly totalCount: number
}

/** A Client of `pg`, connected. */
export interface PgClientLike {
  // Any: the signatures of Client.query differ between what has its shape.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  query(config: any): Promise<{ readonly rows: unknown[] }>
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** What a Client of `pg` knows of its connection; private to it, or not typed. */
interface PgInside {
  readonly connectionParameters?: object
  readonly constructor: new (config: object) => pg.Client
  readonly _connected?: boolean
}

/** Ours, so that parsers that an application has set for all of `pg` change nothing. */
const types = { getTypeParser: (type: number) => TEXT[type] ?? asIs }
const asIs = (value: unknown): unknown => value
const TEXT: Readonly<Record<number, (value: string) => unknown>> = {
  16: (value) => value === 't',
  20: Number,
  21: Number,
  23: Number,
  700: Number,
  701: Number,
}

class PgConnection implements Connection {
  readonly #client: PgClientLike
  readonly #giveBack: (broken: boolean) => void
  readonly #ignore = (): void => {}
  #process: number | undefined

  constructor(client: PgClientLike, giveBack: (broken: boolean) => void) {
    this.#client = client
    this.#giveBack = giveBack
    // The statement that runs fails as well, and says why.
    client.on('error', this.#ignore)
  }

  async begin(mode: Mode, settings: readonly string[]): Promise<string | undefined> {
    // Many statements, many results.
    const all = (await this.#client.query({ text: beginning(mode, settings), types })) as unknown as { rows: Begun[] }[]
    const begun = all.at(-1)!.rows[0]!
    this.#process = begun.process
    return begun.transaction ?? undefined
  }

  async query(text: string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return (await this.#client.query({ text, values, types })).rows as Row[]
  }

  async commit(): Promise<void> {
    await this.#client.query({ text: 'commit' })
  }

  async rollback(): Promise<void> {
    await this.#client.query({ text: 'rollback' })
  }

  /** By its number in the server, not by what the protocol has for it: that a proxy between may not pass on. */
  async cancel(): Promise<boolean> {
    const { connectionParameters, constructor: Constructor } = this.#client as unknown as PgInside
    if (this.#process === undefined || !connectionParameters) return false
    const { host, port, user, database, password, ssl } = connectionParameters as Record<string, unknown>
    const other = new Constructor({ host, port, user, database, password, ssl, connectionTimeoutMillis: 5000 })
    other.on('error', this.#ignore)
    try {
      await other.connect()
      await other.query('select pg_cancel_backend($1)', [this.#process])
      return true
    } finally {
      await other.end()
    }
  }

  release(broken: boolean): void {
    this.#client.off('error', this.#ignore)
    this.#giveBack(broken)
  }
}

/** @param owned made for the store, and ended with it */
export function pgPool(pool: PgPoolLike, owned: boolean): Client {
  // An idle connection that is lost is replaced by the pool; without a listener it would end the process.
  const ignore = (): void => {}
  pool.on('error', ignore)
  return {
    concurrent: true,
    async connect() {
      const client = await pool.connect()
      return new PgConnection(client, (broken) => client.release(broken))
    },
    async end() {
      if (owned) await pool.end()
      pool.off('error', ignore)
    },
  }
}

export function pgClient(client: PgClientLike): Client {
  return {
    concurrent: false,
    connect: async () => new PgConnection(client, () => {}),
    end: async () => {},
  }
}

export function isPgPool(client: object): client is PgPoolLike {
  return 'totalCount' in client && 'connect' in client && 'query' in client
}

/** @returns undefined where it is none; whether it was connected */
export function isPgClient(client: object): client is PgClientLike {
  return 'connectionParameters' in client && 'query' in client
}

export function isConnected(client: PgClientLike): boolean {
  return (client as unknown as PgInside)._connected !== false
}
