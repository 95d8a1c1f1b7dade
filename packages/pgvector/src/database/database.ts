import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { SerotineError } from '@serotine/core'
import { Turns, untilAborted } from '@serotine/core/store'
import { codeOf, isLost, isUndone, translated } from '../errors.js'
import type { Client, Connection, Mode, Row, Value } from './connection.js'

/** What a transaction can be asked. */
export interface Session {
  /** Name of the change that its transaction makes, of no other before or after; '' where it only reads. */
  readonly change: string
  query(text: string, values?: readonly Value[]): Promise<readonly Row[]>
  /** The same transaction, whose statements end with this signal. */
  until(signal: AbortSignal | undefined): Session
}

/** Names are looked up where we say, and bytes come as we read them, whatever the user's settings are. */
const SETTINGS = ['set local search_path = pg_catalog', "set local bytea_output = 'hex'"]
/** The server takes no changes. */
const READONLY = '25006'
/** Tries of what certainly left nothing behind. */
const TRIES = 5
const FIRST_PAUSE_MS = 100
/** How long the outcome of a commit is asked for when the connection was lost during it. */
const OUTCOME_TRIES = 8

/** Whether a commit that was sent took effect. */
type Outcome = 'committed' | 'aborted' | 'unknown'

/** Transactions on a database: one after the other where there is one connection, repeated where that is safe, with errors that say what to do. */
export class Database {
  /** For messages. */
  readonly name: string
  readonly concurrent: boolean
  readonly #client: Client
  readonly #settings: readonly string[]
  readonly #turns = new Turns()
  readonly #running = new Set<Promise<unknown>>()

  constructor(client: Client, name: string, statementTimeoutMs: number | undefined) {
    this.name = name
    this.concurrent = client.concurrent
    this.#client = client
    const timeout = statementTimeoutMs === undefined ? [] : [`set local statement_timeout = ${statementTimeoutMs}`]
    this.#settings = [...SETTINGS, ...timeout]
  }

  /** Reads on one state. Where a connection cannot be had, it is tried again; what was begun is not. */
  read<T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#tracked(async () => {
      for (let attempt = 1; ; attempt++) {
        const tried = { isBegun: false }
        try {
          return await this.#within('read', work, { signal, onBegun: () => (tried.isBegun = true) })
        } catch (error) {
          if (tried.isBegun || !isLost(error) || attempt === TRIES) throw this.said(error, signal)
          await pause(attempt, signal)
        }
      }
    })
  }

  /**
   * Changes something, as a whole or not at all. Repeated where the database undid it, or was lost before the commit was sent. Where it was lost during the
   * commit, the database is asked what became of the transaction; a commit whose outcome stays unknown is not repeated.
   *
   * @param signal takes back what has not begun
   * @param wasMade looks for the change itself; undefined: it cannot be told. After a crash the database may give the number of a transaction that its disk had
   * not heard of to another one, so that it may say of that one that it was committed. Without it, the work does no harm when it is done again
   */
  write<T>(
    work: (session: Session) => Promise<T>,
    signal?: AbortSignal,
    wasMade?: (session: Session, change: string, result: T) => Promise<boolean | undefined>,
  ): Promise<T> {
    return this.#tracked(async () => {
      for (let attempt = 1; ; attempt++) {
        const change = randomBytes(6).toString('hex')
        let transaction: string | undefined
        let done: { readonly result: T } | undefined
        try {
          signal?.throwIfAborted()
          return await this.#within('write', work, {
            signal: undefined,
            change,
            onBegun: (id) => (transaction = id),
            onCommit: (result) => (done = { result }),
          })
        } catch (error) {
          if (done && isLost(error)) {
            const { result } = done
            const look = wasMade && ((session: Session) => wasMade(session, change, result))
            const made = await this.#isMade(transaction, look)
            if (made) return result
            if (made === undefined) throw unknownOutcome(this.name, error)
          }
          // After a failover, connections of a pool may still lead to what was the primary.
          const isStale = this.concurrent && codeOf(error) === READONLY
          if (!(isUndone(error) || isLost(error) || isStale) || attempt === TRIES) throw this.said(error, signal)
          if (!isStale) await pause(attempt, signal)
        }
      }
    })
  }

  /** A statement that takes no transaction around it, and as long as it likes where there is no pooler. */
  outside(text: string): Promise<void> {
    return this.#tracked(() =>
      this.#connected(undefined, (connection) => connection.alone(text)).catch((error: unknown) => {
        throw this.said(error, undefined)
      }),
    )
  }

  /** Waits for what is under way, then lets go. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#running)
    await this.#client.end()
  }

  async #tracked<T>(work: () => Promise<T>): Promise<T> {
    const running = work()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  #within<T>(
    mode: Mode,
    work: (session: Session) => Promise<T>,
    told: {
      readonly signal: AbortSignal | undefined
      readonly change?: string
      readonly onBegun: (transaction: string | undefined) => void
      readonly onCommit?: (result: T) => void
    },
  ): Promise<T> {
    return this.#connected(told.signal, async (connection, discard) => {
      let result: T
      try {
        told.onBegun(await connection.begin(mode, this.#settings))
        result = await work(sessionOn(connection, told, new Turns()))
      } catch (error) {
        // Where that does not work, nobody else is to have the connection.
        if (!isLost(error)) await connection.rollback().catch(discard)
        throw error
      }
      told.onCommit?.(result)
      await connection.commit()
      return result
    })
  }

  async #connected<T>(
    signal: AbortSignal | undefined,
    work: (connection: Connection, discard: () => void) => Promise<T>,
  ): Promise<T> {
    const use = async (): Promise<T> => {
      signal?.throwIfAborted()
      const connecting = this.#client.connect()
      let connection: Connection
      try {
        connection = await untilAborted(connecting, signal)
      } catch (error) {
        // It may come yet.
        connecting.then((late) => late.release(false)).catch(() => {})
        throw error
      }
      let isBroken = false
      try {
        return await work(connection, () => (isBroken = true))
      } catch (error) {
        isBroken ||= isLost(error) || codeOf(error) === READONLY
        throw error
      } finally {
        connection.release(isBroken)
      }
    }
    return this.concurrent ? use() : this.#turns.take(use, signal)
  }

  /** Whether a change whose commit was not answered was made; undefined: nobody knows. */
  async #isMade(
    transaction: string | undefined,
    look: ((session: Session) => Promise<boolean | undefined>) | undefined,
  ): Promise<boolean | undefined> {
    const outcome = await this.#outcomeOf(transaction)
    if (outcome === 'unknown') return undefined
    return outcome === 'committed' && look ? this.read(look) : false
  }

  async #outcomeOf(transaction: string | undefined): Promise<Outcome> {
    if (transaction === undefined) return 'unknown'
    for (let attempt = 1; attempt <= OUTCOME_TRIES; attempt++) {
      await pause(attempt)
      try {
        const ask = async (session: Session): Promise<unknown> => {
          const [row] = await session.query('select pg_xact_status($1::text::xid8) as status', [transaction])
          return row!.status
        }
        const status = await this.#within('read', ask, { signal: undefined, onBegun: () => {} })
        if (status === 'committed' || status === 'aborted') return status
        if (status === null) return 'unknown'
      } catch (error) {
        // "transaction ID is in the future": a replica that took over has never heard of it.
        if (codeOf(error) === '22023') return 'aborted'
        if (!isLost(error)) return 'unknown'
      }
    }
    return 'unknown'
  }

  /** An error as the caller is to have it: one of ours, or the reason of the signal. */
  said(error: unknown, signal: AbortSignal | undefined): unknown {
    return signal?.aborted ? signal.reason : translated(error, this.name)
  }
}

/** @param turns one statement at a time, whoever asks */
function sessionOn(
  connection: Connection,
  { signal, change = '' }: { readonly signal: AbortSignal | undefined; readonly change?: string },
  turns: Turns,
): Session {
  return {
    change,
    query: (text, values) => turns.take(() => asked(connection, () => connection.query(text, values), signal)),
    until: (other) => {
      const both = other && signal ? AbortSignal.any([signal, other]) : (other ?? signal)
      return sessionOn(connection, { signal: both, change }, turns)
    },
  }
}

/** A statement's answer, or the signal's reason once the database has ended it. */
async function asked<T>(connection: Connection, ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return ask()
  signal.throwIfAborted()
  let cancelling: Promise<unknown> | undefined
  const cancel = (): void => {
    cancelling = connection.cancel().catch(() => {})
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answer = await ask()
    signal.throwIfAborted()
    return answer
  } finally {
    signal.removeEventListener('abort', cancel)
    // Else it might hit what runs next on this connection.
    await cancelling
  }
}

async function pause(attempt: number, signal?: AbortSignal): Promise<void> {
  const most = FIRST_PAUSE_MS * 2 ** (attempt - 1)
  // At different times, or those that were in each other's way would be again.
  await untilAborted(delay(most / 2 + (Math.random() * most) / 2), signal)
}

function unknownOutcome(name: string, cause: unknown): SerotineError {
  return new SerotineError(
    'STORE_UNREACHABLE',
    `${name} was lost while a change was being committed, and does not say whether it was made. It was made as a whole or not at all. Repeating it is safe ` +
      'as long as nobody else changes the same documents.',
    { cause },
  )
}
