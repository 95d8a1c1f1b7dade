import { SerotineError } from '@serotine/core'
import type { ColBERT, Encoder, MultiVectorIndex } from '@serotine/core'
import { checkInteger, checkOptions, checkString, describe } from '@serotine/core/options'

/** What the server needs from a model; `ColBERT` is one. Without `explain`, searches cannot say which words matched. */
export type ServedModel = Encoder & Partial<Pick<ColBERT, 'explain'>>

/** What the server needs from an index; `MultiVectorIndex` is one. One that is only read is refreshed, so that what others write to it is found. */
export type ServedIndex = Pick<MultiVectorIndex, 'searchDetailed' | 'get' | 'upsert' | 'delete' | 'stats'> &
  Partial<Pick<MultiVectorIndex, 'readonly' | 'folder' | 'refresh'>>

/** What one request, and all of them together, may ask of the server. What is beyond is refused with an error that names the limit. */
export interface ServerLimits {
  /** Bytes of a request's body. Default 10,000,000. */
  bodyBytes: number
  /** Bytes of the bodies of all requests under way. Default 100,000,000. */
  totalBodyBytes: number
  /** Documents of one request. Default 1,000. */
  documents: number
  /** Characters of a document. Default 200,000. */
  documentCharacters: number
  /** Characters of a query. Default 10,000. */
  queryCharacters: number
  /** Hits of a search (`k`). Default 1,000. */
  hits: number
  /** Requests that are worked on or wait. More are answered 429. Default 128. */
  concurrentRequests: number
  /** Milliseconds until a request is given up. Default 60,000. */
  requestMs: number
  /** Milliseconds that a client has to send its request. Default 30,000. */
  receiveMs: number
  /** Open connections; `listen` only. Default 1,000. */
  connections: number
}

export const DEFAULT_LIMITS: Readonly<ServerLimits> = {
  bodyBytes: 10_000_000,
  totalBodyBytes: 100_000_000,
  documents: 1_000,
  documentCharacters: 200_000,
  queryCharacters: 10_000,
  hits: 1_000,
  concurrentRequests: 128,
  requestMs: 60_000,
  receiveMs: 30_000,
  connections: 1_000,
}

/** One line of the log. It holds nothing of what queries and documents say, and no token. */
export interface LogEntry {
  readonly level: 'info' | 'error'
  readonly event: 'request' | 'listening' | 'closed' | 'refreshed' | 'refresh-failed'
  /** ISO 8601. */
  readonly time: string
  /** As in the answer's `X-Request-Id`. */
  readonly requestId?: string
  readonly method?: string
  /** The route, such as `/v1/documents/{id}`; `unknown` for paths that are none. */
  readonly route?: string
  readonly status?: number
  readonly milliseconds?: number
  /** Code of an answer that is an error. */
  readonly code?: string
  /** What failed inside the server: answers do not say. */
  readonly error?: unknown
  /** Where the server listens. */
  readonly url?: string
  /** The index that shows what another process has committed, or cannot. */
  readonly index?: string
}

/** What is served, and to whom. */
export interface ServerOptions {
  /** Ranks. Default: the embedded model, shared by the process and loaded at the first use. */
  model?: ServedModel
  /** The index that is searched, named `default`. Not closed by the server. */
  index?: ServedIndex
  /** Or several, by the name that requests ask for; the first one answers those that name none. */
  indexes?: Readonly<Record<string, ServedIndex>>
  /** Whether requests may add and delete documents. Default false. */
  writable?: boolean
  /** Requests have to bring it: `Authorization: Bearer <token>`. Required to listen beyond loopback. */
  token?: string
  /**
   * Names by which clients may call the server (`Host`, without a port). Default: with a token any; without one those of loopback, so that
   * no page in a browser reaches the server under a name of its own (DNS rebinding).
   */
  allowedHosts?: readonly string[]
  /** Origins, such as `https://app.example.org`, whose pages may call the server from a browser (CORS). Default: none. */
  allowedOrigins?: readonly string[]
  /** Put in front of each path, where the handler is mounted in an app, such as `/api/search`. Default: nothing. */
  basePath?: string
  limits?: Partial<ServerLimits>
  /**
   * Milliseconds between two looks, before a request is answered, at whether another process has written to an index that is open for reading.
   * Default 1,000; 0: before each one.
   */
  refreshMs?: number
  /** Called once per request and when the server starts and ends. Nothing is printed. */
  onLog?: (entry: LogEntry) => void
}

/** Options with their defaults. */
export interface CheckedOptions extends Pick<ServerOptions, 'model' | 'token' | 'allowedHosts'> {
  readonly indexes: ReadonlyMap<string, ServedIndex>
  readonly writable: boolean
  readonly allowedOrigins: readonly string[]
  readonly basePath: string
  readonly limits: Readonly<ServerLimits>
  readonly refreshMs: number
  readonly onLog: (entry: LogEntry) => void
}

const REFRESH_MS = 1_000

const OPTIONS = [
  'model',
  'index',
  'indexes',
  'writable',
  'token',
  'allowedHosts',
  'allowedOrigins',
  'basePath',
  'limits',
  'refreshMs',
  'onLog',
]

/** @throws INVALID_ARGUMENT, UNKNOWN_OPTION */
export function checkServerOptions(options: ServerOptions): CheckedOptions {
  checkOptions('createServer', options, OPTIONS, {
    apiKey: 'token',
    hosts: 'allowedHosts',
    cors: 'allowedOrigins',
    origins: 'allowedOrigins',
    logger: 'onLog',
    readonly: 'writable',
  })
  const { model, token, writable = false, allowedHosts, allowedOrigins = [], basePath = '', onLog = () => {} } = options
  if (model !== undefined && typeof (model as ServedModel | null)?.encodeDocuments !== 'function') {
    throw wrong('model must be a loaded model like `await ColBERT.load()`', model)
  }
  if (typeof writable !== 'boolean') throw wrong('writable must be true or false', writable)
  if (typeof onLog !== 'function') throw wrong('onLog must be a function', onLog)
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(checkString('token', token))) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'token must be printable ASCII characters without spaces, and not empty.',
    )
  }
  if (!/^(\/[\w.~-]+)*$/.test(checkString('basePath', basePath))) {
    throw wrong('basePath must be a path like "/api/search", without a slash at its end', basePath)
  }
  return {
    ...(model && { model }),
    ...(token !== undefined && { token }),
    ...(allowedHosts && { allowedHosts: checkHosts(allowedHosts) }),
    indexes: checkIndexes(options),
    writable,
    allowedOrigins: checkOrigins(allowedOrigins),
    basePath,
    limits: checkLimits(options.limits),
    refreshMs: checkInteger('refreshMs', options.refreshMs ?? REFRESH_MS, 0),
    onLog,
  }
}

function checkIndexes({ index, indexes }: ServerOptions): ReadonlyMap<string, ServedIndex> {
  if (index !== undefined && indexes !== undefined) {
    throw new SerotineError('INVALID_ARGUMENT', 'Give createServer index or indexes, not both.')
  }
  const named = index !== undefined ? { default: index } : (indexes ?? {})
  if (typeof named !== 'object' || named === null) throw wrong('indexes must be an object of indexes by name', named)
  for (const [name, served] of Object.entries(named)) {
    if (!/^[\w.-]{1,100}$/.test(name)) {
      throw wrong('The name of an index must be 1 to 100 letters, digits, dots, dashes and underscores', name)
    }
    if (typeof (served as ServedIndex | null)?.searchDetailed !== 'function') {
      throw wrong(`The index ${JSON.stringify(name)} must be an open MultiVectorIndex`, served)
    }
  }
  return new Map(Object.entries(named))
}

function checkHosts(hosts: readonly string[]): readonly string[] {
  return checkStrings('allowedHosts', hosts).map((host) => {
    if (/^[\w.-]+$|^\[[\da-fA-F:.]+\]$/.test(host)) return host.toLowerCase()
    throw wrong('An allowed host must be a name or address without scheme and port, such as "search.example.org"', host)
  })
}

function checkOrigins(origins: readonly string[]): readonly string[] {
  return checkStrings('allowedOrigins', origins).map((origin) => {
    if (URL.canParse(origin) && new URL(origin).origin === origin) return origin
    throw wrong('An allowed origin must be scheme, host and port, such as "https://app.example.org"', origin)
  })
}

function checkStrings(name: string, list: readonly string[]): readonly string[] {
  if (!Array.isArray(list)) throw wrong(`${name} must be an array of strings`, list)
  return list.map((item, i) => checkString(`${name}[${i}]`, item))
}

function checkLimits(limits: Partial<ServerLimits> | undefined): ServerLimits {
  checkOptions('The limits of createServer', limits, Object.keys(DEFAULT_LIMITS))
  const given = Object.entries(limits ?? {}).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) checkInteger(`limits.${name}`, value, 1)
  return { ...DEFAULT_LIMITS, ...(Object.fromEntries(given) as Partial<ServerLimits>) }
}

function wrong(what: string, value: unknown): SerotineError {
  return new SerotineError('INVALID_ARGUMENT', `${what}, got ${describe(value)}.`)
}
