/** What statements take as `$1` … */
export type Value = string | null | Uint8Array

/** A row, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>

/** Whether a transaction only reads, all of it on one state, or changes something. */
export type Mode = 'read' | 'write'

/** One connection to a database, for as long as nobody else has it. */
export interface Connection {
  /**
   * Runs one statement that takes no transaction around it, as long as it likes where the session is this connection's own: behind a pooler a setting of the
   * session would be somebody else's next, so the server's time limit holds there.
   */
  alone(text: string): Promise<void>
  /**
   * Begins a transaction, with settings that are good for it (`set local …`).
   *
   * @returns its id when it writes, by which its outcome can be asked for later; undefined where nothing but this process can end it
   */
  begin(mode: Mode, settings: readonly string[]): Promise<string | undefined>
  /** In the transaction that was begun. */
  query(text: string, values?: readonly Value[]): Promise<readonly Row[]>
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Ends the statement that runs, in the server; its `query` fails then. False: this connection has no way to. */
  cancel(): Promise<boolean>
  /** Gives it back. @param broken it is not to be used again */
  release(broken: boolean): void
}

/** A way to a database. */
export interface Client {
  /** There may be several connections at a time. */
  readonly concurrent: boolean
  connect(): Promise<Connection>
  /** Lets go: closes what was made for the store, and leaves what it was given as it was. */
  end(): Promise<void>
}

/** How a transaction begins. Without a comma, which `postgres` takes out. */
export const BEGINNING: Readonly<Record<Mode, string>> = {
  read: 'isolation level repeatable read read only',
  write: 'isolation level read committed',
}

/** Statements at the beginning of a transaction. The last of them gives `Begun`. */
export function beginning(mode: Mode, settings: readonly string[]): string {
  // A replica has none to give; it refuses what changes something.
  const id = 'case when pg_is_in_recovery() then null else pg_current_xact_id()::text end'
  const transaction = mode === 'read' ? 'null' : id
  const since = 'extract(epoch from transaction_timestamp())::text'
  const told = `select pg_backend_pid() as process, ${since} as since, ${transaction} as transaction`
  return [...settings, told].join('; ')
}

/** `Connection.alone`, where the driver knows the server's process from the start of the connection: a pooler tells another number than the server does. */
export async function runAlone(
  query: (text: string) => Promise<readonly Row[]>,
  process: () => number | undefined,
  text: string,
): Promise<void> {
  const [now] = await query(`select current_setting('statement_timeout') as "limit", pg_backend_pid() as process`)
  const isOwn = Number(now!.process) === process()
  if (!isOwn || now!.limit === '0') {
    await query(text)
    return
  }
  await query('set statement_timeout = 0')
  try {
    await query(text)
  } finally {
    await query('reset statement_timeout')
  }
}

/** What the last statement of `beginning` gives. */
export interface Begun {
  /** The server's process and the transaction's start, to cancel by: behind a pooler the process is soon somebody else's. */
  readonly process: number
  readonly since: string
  readonly transaction: string | null
}
