import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type * as pg from 'pg'
import { codeOf } from '../errors.js'
import { BEGINNING, beginning, runAlone } from './connection.js'
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
  /** As the server, or a pooler before it, told them at the start. */
  readonly processID?: number | null
  readonly secretKey?: number | null
}

/** How long another connection may take to end a statement. Where a pooler has none to spare, it would wait for that very statement. */
const CANCEL_MS = 2000

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
  #begun: Begun | undefined
  /** Why the connection ended, told between two statements: the next one only says that it did. */
  #ended: Error | undefined
  readonly #onError = (error: Error): void => {
    this.#ended ??= error
  }

  constructor(client: PgClientLike, giveBack: (broken: boolean) => void) {
    this.#client = client
    this.#giveBack = giveBack
    client.on('error', this.#onError)
  }

  async begin(mode: Mode, settings: readonly string[]): Promise<string | undefined> {
    // Many statements, many results.
    const text = `begin ${BEGINNING[mode]}; ${beginning(mode, settings)}`
    const all = (await this.#ask({ text, types })) as unknown as { rows: Begun[] }[]
    this.#begun = all.at(-1)!.rows[0]!
    return this.#begun.transaction ?? undefined
  }

  async query(text: string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return (await this.#ask({ text, values, types })).rows as Row[]
  }

  async commit(): Promise<void> {
    await this.#ask({ text: 'commit' })
  }

  async rollback(): Promise<void> {
    await this.#ask({ text: 'rollback' })
  }

  alone(text: string): Promise<void> {
    const { processID } = this.#client as unknown as PgInside
    return runAlone(
      (each) => this.query(each),
      () => processID ?? undefined,
      text,
    )
  }

  async #ask(config: object): ReturnType<PgClientLike['query']> {
    try {
      return await this.#client.query(config)
    } catch (error) {
      throw (codeOf(error) === undefined && this.#ended) || error
    }
  }

  /** By its number in the server, which every proxy passes on; else, where there is no connection to say so by, by the protocol's own request. */
  async cancel(): Promise<boolean> {
    const { connectionParameters, constructor: Constructor, processID, secretKey } = this.#client as unknown as PgInside
    if (!this.#begun || !connectionParameters) return false
    const { host, port, user, database, password, ssl } = connectionParameters as Record<string, unknown>
    const times = { connectionTimeoutMillis: CANCEL_MS, query_timeout: CANCEL_MS }
    const other = new Constructor({ host, port, user, database, password, ssl, ...times })
    other.on('error', () => {})
    const byNumber = async (): Promise<boolean> => {
      await other.connect()
      const { rows } = await other.query(
        `select pg_catalog.pg_cancel_backend(pid) from pg_catalog.pg_stat_activity
          where pid = $1 and extract(epoch from xact_start) = $2::numeric`,
        [this.#begun!.process, this.#begun!.since],
      )
      return rows.length > 0
    }
    const isDone = await Promise.race([byNumber().catch(() => false), delay(CANCEL_MS, false, { ref: false })])
    void other.end().catch(() => {})
    if (isDone || typeof processID !== 'number' || typeof secretKey !== 'number') return isDone
    return cancelByKey(String(host), Number(port), processID, secretKey)
  }

  release(broken: boolean): void {
    this.#client.off('error', this.#onError)
    this.#giveBack(broken)
  }
}

/** The cancel request of PostgreSQL's protocol, without TLS as PostgreSQL's own client sends it. Resolves when the server has read it. */
function cancelByKey(host: string, port: number, process: number, secret: number): Promise<boolean> {
  const request = Buffer.alloc(16)
  for (const [i, value] of [16, 80_877_102, process, secret].entries()) request.writeInt32BE(value, 4 * i)
  return new Promise((resolve) => {
    const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    socket.setTimeout(CANCEL_MS, () => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', (failed) => resolve(!failed))
    // Not ended: a pooler takes that for somebody who does not want it any more.
    socket.resume().write(request)
  })
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

/** Also where `in` finds nothing: `@vercel/postgres` exports a Pool behind a Proxy of a function. */
export function isPgPool(client: object): client is PgPoolLike {
  const { totalCount, connect, query } = client as Partial<PgPoolLike>
  return typeof totalCount === 'number' && typeof connect === 'function' && typeof query === 'function'
}

/** @returns undefined where it is none; whether it was connected */
export function isPgClient(client: object): client is PgClientLike {
  return 'connectionParameters' in client && 'query' in client
}

export function isConnected(client: PgClientLike): boolean {
  return (client as unknown as PgInside)._connected !== false
}
