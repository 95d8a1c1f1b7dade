/** What statements take as `$1` … */
export type Value = string | null | Uint8Array

/** A row, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>

/** Whether a transaction only reads, all of it on one state, or changes something. */
export type Mode = 'read' | 'write'

/** One connection to a database, for as long as nobody else has it. */
export interface Connection {
  /**
   * Begins a transaction, with settings that are good for it (`set local …`).
   *
   * @returns its id when it writes, by which its outcome can be asked for later; undefined where nothing but this process can end it
   */
  begin(mode: Mode, settings: readonly string[]): Promise<string | undefined>
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

/** Statements that begin a transaction. The last of them gives `process`, to cancel by, and `transaction`. */
export function beginning(mode: Mode, settings: readonly string[]): string {
  const isolation = mode === 'read' ? 'repeatable read, read only' : 'read committed'
  // A replica has none to give; it refuses what changes something.
  const id = 'case when pg_is_in_recovery() then null else pg_current_xact_id()::text end'
  const transaction = mode === 'read' ? 'null' : id
  const told = `select pg_backend_pid() as process, ${transaction} as transaction`
  return [`begin isolation level ${isolation}`, ...settings, told].join('; ')
}

/** What the last statement of `beginning` gives. */
export interface Begun {
  readonly process: number
  readonly transaction: string | null
}
