import { SerotineError } from '@serotine/core'
import type { ErrorCode } from '@serotine/core'

/** Conditions of PostgreSQL that have a code of ours, by SQLSTATE, with what to do. */
const CONDITIONS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  '28P01': ['STORE_REFUSED', 'Check user and password.'],
  '28000': ['STORE_REFUSED', 'Check the user, and whether the server lets it in from here (pg_hba.conf).'],
  '3D000': ['STORE_REFUSED', 'Check the name of the database, or create it.'],
  '42501': ['STORE_REFUSED', 'Grant this user what the message names; docs/pgvector.md has what the store needs.'],
  '25006': [
    'INDEX_READONLY',
    'This server only reads (a replica): write to the primary, and pass the replica as `reader`.',
  ],
  '57014': ['STORE_TIMEOUT', 'Raise statementTimeoutMs, or that of the server or the user.'],
  '55P03': ['STORE_TIMEOUT', 'Something else holds the lock; try again.'],
  '53100': ['STORE_FULL', 'Make room; nothing of this change was kept, and what was there before can be read.'],
  '53300': ['STORE_UNREACHABLE', 'The server takes no more connections: use a smaller pool, or a pooler.'],
  '57P03': ['STORE_UNREACHABLE', 'The server is starting or stopping; try again.'],
}
/** The connection is gone, whatever ran on it: classes and codes of PostgreSQL, of sockets, and of `postgres`. */
const LOST =
  /^(0800[0-7]|57P0[123]|ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT|CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT)$/
/** What `pg` says of it without a code. */
const LOST_MESSAGE =
  /^(Connection terminated|Client has encountered a connection error|timeout expired|timeout exceeded when trying to connect)/
/** Refused for what another transaction did: as good as not begun. */
const UNDONE = new Set(['40001', '40P01'])

/** SQLSTATE, or the code of a socket; undefined where an error has none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { code, errors } = error as { code?: unknown; errors?: unknown }
  if (typeof code === 'string') return code
  // Of several addresses of a host, none answered.
  return Array.isArray(errors) ? codeOf(errors[0]) : undefined
}

/** Whether the connection was lost, so that what became of a commit that was sent is not known. */
export function isLost(error: unknown): boolean {
  const code = codeOf(error)
  if (code !== undefined) return LOST.test(code)
  return error instanceof Error && LOST_MESSAGE.test(error.message)
}

/** Whether the database undid a transaction, and would take it if it came again. */
export function isUndone(error: unknown): boolean {
  return UNDONE.has(codeOf(error) ?? '')
}

/** An error of the database or the driver as one of ours, which says where and what to do. Others are passed on. */
export function translated(error: unknown, name: string): unknown {
  if (SerotineError.isInstance(error) || !(error instanceof Error)) return error
  const code = codeOf(error)
  const why = error.message || (error as { errors?: Error[] }).errors?.[0]?.message || code
  const known = CONDITIONS[code ?? '']
  if (known) return new SerotineError(known[0], `${name}: ${why} (${code}). ${known[1]}`, { cause: error })
  if (isLost(error)) {
    const remedy = 'Check host and port, and whether the server runs.'
    return new SerotineError('STORE_UNREACHABLE', `${name} cannot be reached: ${why}. ${remedy}`, { cause: error })
  }
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) {
    return new SerotineError('STORE_FAILED', `${name}: ${why} (SQLSTATE ${code}).`, { cause: error })
  }
  return error
}
