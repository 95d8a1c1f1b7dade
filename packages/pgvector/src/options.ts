import { SerotineError } from '@serotine/core'
import type { OnWarning } from '@serotine/core'
import { fdeLength, resolveFdeConfig, withLearnedPartitions } from '@serotine/core/muvera'
import type { FdeOptions, FdePreset } from '@serotine/core/muvera'
import { checkInteger, checkOptions, checkString, describe } from '@serotine/core/options'
import { checkKeywords, TOKEN_CODECS } from '@serotine/core/store'
import type { KeywordSettings, TokenCodec } from '@serotine/core/store'
import type { DatabaseClient } from './database/client.js'

/** How a collection of a database is opened. Codec, FDEs and keywords are settled when it is made. */
export interface PgvectorOptions {
  /** Name of the collection. Default `documents`. */
  readonly collection?: string | undefined
  /** Schema of all tables, made where it is missing. Default `serotine`. */
  readonly schema?: string | undefined
  /** A tenant's collection is one of its own, under the same name. Default: none. */
  readonly tenant?: string | undefined
  /** How token vectors are kept. Default `int8`. */
  readonly codec?: Exclude<TokenCodec, 'residual'> | undefined
  /** FDEs that candidates are found by: a preset, or its options. At most 4,000 numbers. Default `compact`. False: every search scores every document. */
  readonly fde?: FdePreset | FdeOptions | false | undefined
  /** Whether documents are found by their words as well, and the language of these. Default `{ language: 'english' }`. */
  readonly keywords?: boolean | Partial<KeywordSettings> | undefined
  /** Nothing is written or made. Default false. */
  readonly readonly?: boolean | undefined
  /** A client of a read replica: it answers searches. */
  readonly reader?: DatabaseClient | undefined
  /** Milliseconds a statement may take. Default: as the server has it. */
  readonly statementTimeoutMs?: number | undefined
  /** `hnsw`: `prepare` builds a graph over the FDEs when there are many. `none`: they are scanned. Default `hnsw`. */
  readonly index?: 'hnsw' | 'none' | undefined
  /** Documents from which on there is a graph. Default 10,000. */
  readonly indexFrom?: number | undefined
  /** The graph is over the signs of FDEs: a sixteenth of the bytes, and less of the exact top 10. Default false. */
  readonly binaryQuantize?: boolean | undefined
  /** Hears what is worth knowing. */
  readonly onWarning?: OnWarning | undefined
}

/** Options, checked; undefined where nothing was said. */
export interface CheckedOptions {
  readonly name: string
  readonly schema: string
  readonly tenant: string
  readonly codec: TokenCodec | undefined
  readonly fde: FdeOptions | false | undefined
  readonly keywords: KeywordSettings | false | undefined
  readonly readonly: boolean
  readonly reader: DatabaseClient | undefined
  readonly statementTimeoutMs: number | undefined
  readonly index: 'hnsw' | 'none'
  readonly indexFrom: number
  readonly binaryQuantize: boolean
  readonly onWarning: OnWarning | undefined
}

const NAMES = [
  'collection',
  'schema',
  'tenant',
  'codec',
  'fde',
  'keywords',
  'readonly',
  'reader',
  'statementTimeoutMs',
  'index',
  'indexFrom',
  'binaryQuantize',
  'onWarning',
] as const
const ALIASES = {
  collectionName: 'collection',
  table: 'collection',
  tableName: 'collection',
  readOnly: 'readonly',
  replica: 'reader',
  statement_timeout: 'statementTimeoutMs',
  timeout: 'statementTimeoutMs',
  binary_quantize: 'binaryQuantize',
}
/** An index takes so many numbers of a `halfvec`. */
export const LONGEST_FDE = 4000
/** Tokens whose dimension is not known yet are taken to have so many components. */
const USUAL_DIM = 128

/** @throws UNKNOWN_OPTION, INVALID_ARGUMENT */
export function checkStoreOptions(call: string, options: PgvectorOptions): CheckedOptions {
  checkOptions(call, options, NAMES, ALIASES)
  const { statementTimeoutMs, index = 'hnsw', onWarning } = options
  if (index !== 'hnsw' && index !== 'none') {
    throw new SerotineError('INVALID_ARGUMENT', `index must be "hnsw" or "none", got ${describe(index)}.`)
  }
  return {
    name: checkName('collection', options.collection ?? 'documents'),
    schema: checkName('schema', options.schema ?? 'serotine'),
    tenant: options.tenant === undefined ? '' : checkName('tenant', options.tenant),
    codec: checkCodec(options.codec),
    fde: checkFde(options.fde),
    keywords: checkKeywords(options.keywords),
    readonly: checkBoolean('readonly', options.readonly),
    reader: options.reader,
    statementTimeoutMs:
      statementTimeoutMs === undefined
        ? undefined
        : checkInteger('statementTimeoutMs', statementTimeoutMs, 1, 2 ** 31 - 1),
    index,
    indexFrom: checkInteger('indexFrom', options.indexFrom ?? 10_000, 1),
    binaryQuantize: checkBoolean('binaryQuantize', options.binaryQuantize),
    onWarning,
  }
}

/** @throws INVALID_ARGUMENT when the encodings of such tokens are too long for an index */
export function checkFdeLength(fde: FdeOptions, dim: number | null): void {
  const length = fdeLength(resolveFdeConfig(withLearnedPartitions({ ...fde, dim: dim ?? USUAL_DIM })))
  if (length <= LONGEST_FDE) return
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `The FDEs would have ${length} numbers; a halfvec with an index takes ${LONGEST_FDE}. Use fde: 'compact' (2,560) or 'small' (1,280), or set finalDim: ${LONGEST_FDE}.`,
  )
}

function checkName(option: string, name: unknown): string {
  const checked = checkString(option, name)
  if (checked === '') throw new SerotineError('INVALID_ARGUMENT', `${option} must not be empty.`)
  const longest = option === 'schema' ? 63 : 500
  if (Buffer.byteLength(checked) <= longest && !(option === 'schema' && checked.includes('\0'))) return checked
  throw new SerotineError('INVALID_ARGUMENT', `${option} must be at most ${longest} bytes long, got ${describe(name)}.`)
}

function checkCodec(codec: unknown): TokenCodec | undefined {
  if (codec === undefined) return undefined
  if (codec === 'residual') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      "The codec 'residual' is for a folder, whose centroids it needs. Use codec: 'int8' with a database.",
    )
  }
  if (TOKEN_CODECS.includes(codec as TokenCodec)) return codec as TokenCodec
  throw new SerotineError('INVALID_ARGUMENT', `codec must be one of f32, f16, int8; got ${describe(codec)}.`)
}

function checkFde(fde: unknown): FdeOptions | false | undefined {
  if (fde === undefined || fde === false) return fde
  const options = (typeof fde === 'string' ? { preset: fde } : fde) as FdeOptions
  if (typeof options !== 'object' || options === null) {
    throw new SerotineError('INVALID_ARGUMENT', `fde must be a preset, its options, or false; got ${describe(fde)}.`)
  }
  if (options.prepare === 'center') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      "A collection has no queries to take the mean of, which prepare: 'center' needs. Use 'auto' or 'deflate'.",
    )
  }
  checkFdeLength(options, null)
  return options
}

function checkBoolean(name: string, value: unknown): boolean {
  if (value === undefined) return false
  if (typeof value === 'boolean') return value
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be true or false, got ${describe(value)}.`)
}
