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
    'It is a replica: write to the primary, and pass the replica as `reader`. Or default_transaction_read_only is on, as Supabase turns it on when the disk is nearly full: make room.',
  ],
  '57014': ['STORE_TIMEOUT', 'Raise statementTimeoutMs, or that of the server or the user.'],
  '55P03': ['STORE_TIMEOUT', 'Something else holds the lock; try again.'],
  '25P03': [
    'STORE_TIMEOUT',
    'A transaction may pause for idle_in_transaction_session_timeout: go through a scan faster, or raise it for this user.',
  ],
  '53100': ['STORE_FULL', 'Make room; nothing of this change was kept, and what was there before can be read.'],
  '53300': ['STORE_UNREACHABLE', 'The server takes no more connections: use a smaller pool, or a pooler.'],
  '57P03': ['STORE_UNREACHABLE', 'The server is starting or stopping; try again.'],
}
/** What poolers, providers and drivers say in words of their own, whatever the code; with what to do. */
const SAYINGS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [
    /startup parameter|invalid startup option|ESETNOTALLOWED|unrecognized configuration parameter/i,
    'STORE_REFUSED',
    'A pooler takes no settings with a connection: leave `options`, search_path, statement_timeout and the like out of the address and of the Pool. The store needs none; statements are limited by statementTimeoutMs.',
  ],
  [
    /SSL connection is required|SSL required|no encryption|SSL off|connection is insecure/i,
    'STORE_REFUSED',
    'It wants TLS: add sslmode=require to the address, or `ssl` to the options of the driver.',
  ],
  [
    /does not support SSL|wrong version number/i,
    'STORE_REFUSED',
    'It has no TLS: leave sslmode out of the address, or `ssl` out of the options of the driver.',
  ],
  [
    /(tenant|user).* not found$/i,
    'STORE_REFUSED',
    'Check host and user: behind a pooler of Supabase the user is postgres.<project>.',
  ],
  [
    /EMAX|ECHECKOUTTIMEOUT|max_client_conn|max client|checkout timeout|query_wait_timeout/i,
    'STORE_UNREACHABLE',
    'The pooler has no connection left: use a smaller pool (`max`), close what is not needed, or have the pooler open more.',
  ],
]
/** Certificates that Node does not trust. */
const UNTRUSTED = /SELF_SIGNED|^UNABLE_TO_|^CERT_|^ERR_TLS_CERT|^HOSTNAME_MISMATCH$|^INVALID_CA$/
const UNTRUSTED_REMEDY =
  'Name the certificate of its authority: sslrootcert=file in the address, or ssl: { ca } in the options of the driver. sslmode=no-verify trusts anybody.'
/** The connection is gone, whatever ran on it: classes and codes of PostgreSQL, of sockets, and of `postgres`. */
const LOST =
  /^(0800[0-7]|53300|57P0[123]|ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT|CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT)$/
/** So is it after a fatal error of these classes: poolers use them for whatever becomes of theirs. */
const FATAL = /^(08|57P|58|XX)/
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
  const { severity } = (error ?? {}) as { severity?: unknown }
  if (code !== undefined && LOST.test(code)) return true
  if (code !== undefined) return severity === 'FATAL' && FATAL.test(code) && sayingOf(error)?.[1] !== 'STORE_REFUSED'
  return error instanceof Error && LOST_MESSAGE.test(error.message)
}

/** Whether the database undid a transaction, and would take it if it came again. */
export function isUndone(error: unknown): boolean {
  return UNDONE.has(codeOf(error) ?? '')
}

function sayingOf(error: unknown) {
  const { message } = (error ?? {}) as { message?: unknown }
  return typeof message === 'string' ? SAYINGS.find(([words]) => words.test(message)) : undefined
}

/** An error of the database or the driver as one of ours, which says where and what to do. Others are passed on. */
export function translated(error: unknown, name: string): unknown {
  if (SerotineError.isInstance(error) || !(error instanceof Error)) return error
  const code = codeOf(error)
  const why = error.message || (error as { errors?: Error[] }).errors?.[0]?.message || code
  const saying = sayingOf(error)
  if (saying) return new SerotineError(saying[1], `${name}: ${why}. ${saying[2]}`, { cause: error })
  if (code !== undefined && UNTRUSTED.test(code)) {
    return new SerotineError('STORE_REFUSED', `${name}: ${why} (${code}). ${UNTRUSTED_REMEDY}`, { cause: error })
  }
  const known = CONDITIONS[code ?? '']
  if (known) return new SerotineError(known[0], `${name}: ${why} (${code}). ${known[1]}`, { cause: error })
  if (isLost(error)) {
    const remedy = /^(ENOTFOUND|ENETUNREACH|EHOSTUNREACH)$/.test(code ?? '')
      ? "Check the host; Supabase's direct host has only an IPv6 address, its poolers have others."
      : 'Check host and port, and whether the server runs.'
    return new SerotineError('STORE_UNREACHABLE', `${name} cannot be reached: ${why}. ${remedy}`, { cause: error })
  }
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) {
    return new SerotineError('STORE_FAILED', `${name}: ${why} (SQLSTATE ${code}).`, { cause: error })
  }
  return error
}
