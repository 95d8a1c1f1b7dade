import { SerotineError } from '@serotine/core'
import type { ColBERT, Encoder, IndexedDocument, MultiVectorIndex } from '@serotine/core'
import { checkInteger, checkOptions, checkString, describe } from '@serotine/core/options'

/** What the server needs from a model; `ColBERT` is one. Without `explain` and `similarities`, it cannot say which words matched. */
export type ServedModel = Encoder & Partial<Pick<ColBERT, 'explain' | 'similarities'>>

/** What the server needs from an index; `MultiVectorIndex` is one. One that is only read is refreshed, so that what others write to it is found. */
export type ServedIndex = Pick<MultiVectorIndex, 'searchDetailed' | 'get' | 'scan' | 'upsert' | 'delete' | 'stats'> &
  Partial<Pick<MultiVectorIndex, 'fields' | 'readonly' | 'folder' | 'refresh'>> & {
    /** Which words of a text match, by the index's own model. Default: by the model of the server. */
    explain?: ColBERT['explain']
  }

/** A file that was sent to `/v1/files`. */
export interface SentFile {
  /** As it was sent, such as `notes.md`. Not a path of this machine. */
  readonly name: string
  /** What documents of it have as `source` in their metadata, and their ids begin with. */
  readonly source: string
  readonly bytes: Uint8Array
  /** Aborted when the request is over. */
  readonly signal: AbortSignal
}

/** Makes documents of a file. What it throws with the code INPUT_FORMAT is the sender's to mend: the message is the answer. */
export type ReadFile = (file: SentFile) => Promise<readonly IndexedDocument[]>

/** What one request, and all of them together, may ask of the server. What is beyond is refused with an error that names the limit. */
export interface ServerLimits {
  /** Bytes of a request's body, or of one of its lines. Default 10,000,000. */
  bodyBytes: number
  /** Bytes of the bodies of all requests under way, and of answers that clients have not read. Default 100,000,000. */
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
  /** Milliseconds until a request is given up, or one of lines in which nothing is done. Default 60,000. */
  requestMs: number
  /** Milliseconds that a client has to send its request, or a line of it. Default 30,000. */
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
  readonly event: 'request' | 'tool' | 'protocol' | 'listening' | 'closed' | 'refreshed' | 'refresh-failed'
  /** ISO 8601. */
  readonly time: string
  /** As in the answer's `X-Request-Id`. */
  readonly requestId?: string
  readonly method?: string
  /** The route, such as `/v1/documents/{id}`; `unknown` for paths that are none. */
  readonly route?: string
  /** The tool that a client of the Model Context Protocol called. */
  readonly tool?: string
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
  /** Makes documents of files that are sent, such as passages. Default: text in UTF-8, each file as one document. */
  readFile?: ReadFile
  /** Whether `/` is a page to search with. Default true. */
  page?: boolean
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

/** What is served, with defaults. */
export interface CheckedServed extends Pick<ServerOptions, 'model'> {
  readonly indexes: ReadonlyMap<string, ServedIndex>
  readonly limits: Readonly<ServerLimits>
  readonly onLog: (entry: LogEntry) => void
}

/** Options with their defaults. */
export interface CheckedOptions extends CheckedServed, Pick<ServerOptions, 'token' | 'allowedHosts' | 'readFile'> {
  readonly writable: boolean
  readonly refreshMs: number
  readonly page: boolean
  readonly allowedOrigins: readonly string[]
  readonly basePath: string
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
  'readFile',
  'page',
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
    ui: 'page',
    playground: 'page',
  })
  const { token, writable = false, page = true, allowedHosts, allowedOrigins = [], basePath = '', readFile } = options
  const served = checkServed('createServer', options)
  if (typeof writable !== 'boolean') throw wrong('writable must be true or false', writable)
  if (typeof page !== 'boolean') throw wrong('page must be true or false', page)
  if (readFile !== undefined && typeof readFile !== 'function') throw wrong('readFile must be a function', readFile)
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
    ...served,
    ...(token !== undefined && { token }),
    ...(readFile && { readFile }),
    ...(allowedHosts && { allowedHosts: checkHosts(allowedHosts) }),
    writable,
    page,
    allowedOrigins: checkOrigins(allowedOrigins),
    basePath,
    refreshMs: checkInteger('refreshMs', options.refreshMs ?? REFRESH_MS, 0),
  }
}

/** What `createServer` and `createMcpServer` are told alike. @throws INVALID_ARGUMENT, UNKNOWN_OPTION */
export function checkServed(
  call: string,
  options: Pick<ServerOptions, 'model' | 'index' | 'indexes' | 'limits' | 'onLog'>,
): CheckedServed {
  const { model, onLog = () => {} } = options
  if (model !== undefined && typeof (model as ServedModel | null)?.encodeDocuments !== 'function') {
    throw wrong('model must be a loaded model like `await ColBERT.load()`', model)
  }
  if (typeof onLog !== 'function') throw wrong('onLog must be a function', onLog)
  return {
    ...(model && { model }),
    indexes: checkIndexes(call, options),
    limits: checkLimits(call, options.limits),
    onLog,
  }
}

function checkIndexes(
  call: string,
  { index, indexes }: Pick<ServerOptions, 'index' | 'indexes'>,
): ReadonlyMap<string, ServedIndex> {
  if (index !== undefined && indexes !== undefined) {
    throw new SerotineError('INVALID_ARGUMENT', `Give ${call} index or indexes, not both.`)
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

function checkLimits(call: string, limits: Partial<ServerLimits> | undefined): ServerLimits {
  checkOptions(`The limits of ${call}`, limits, Object.keys(DEFAULT_LIMITS))
  const given = Object.entries(limits ?? {}).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) checkInteger(`limits.${name}`, value, 1)
  return { ...DEFAULT_LIMITS, ...(Object.fromEntries(given) as Partial<ServerLimits>) }
}

/** A value that an option does not take. */
export function wrong(what: string, value: unknown): SerotineError {
  return new SerotineError('INVALID_ARGUMENT', `${what}, got ${describe(value)}.`)
}
