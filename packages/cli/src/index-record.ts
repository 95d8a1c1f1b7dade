import { existsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve, relative, sep } from 'node:path'
import { SerotineError } from '@serotine/core'
import { embeddedName } from '@serotine/core/checkpoint'
import { isAddress, openStoreAt } from './store-address.js'
import { INDEX_OPTIONS, ENCODING_OPTIONS, MODEL_OPTIONS, OVERRIDE_OPTIONS, pickOptions } from './options.js'

/** Where indexes are unless told otherwise: in the current folder. */
export const DEFAULT_INDEX = '.serotine'

/**
 * What `serotine index` was told, kept in the index's folder so that `search` and a later `index` need not be told again.
 * Never a token, and nothing about this machine's cores or network.
 */
export interface IndexRecord {
  readonly version: 1
  /** Name of an embedded model, Hub id or absolute folder; absent for the default. */
  readonly model?: string
  /** Library options of the model, of document encoding and of the index. */
  readonly options: Readonly<Record<string, unknown>>
  /** Folder that sources are relative to; itself relative to the index. */
  readonly root: string
  /** Longest passage in tokens and overlap; `split: false` when texts were kept whole. */
  readonly passages: { readonly maxTokens?: number; readonly overlap?: number; readonly split?: boolean }
  /** What is read of folders: endings besides the usual, patterns left out, whether `.gitignore` files count. */
  readonly reading?: {
    readonly extensions?: readonly string[]
    readonly exclude?: readonly string[]
    readonly gitignore?: boolean
  }
}

const FILE = 'serotine.json'
const PENDING = 'serotine.json.next'
/** Options that say how to run on this machine, or are secret. */
const NOT_KEPT = new Set(['token', 'offline', 'workers', 'threads', 'batchSize', 'firstStage'])

/** The record that is put in place with an index that replaces another, and the generation that index will have. */
interface PendingRecord {
  readonly generation: number
  readonly record: IndexRecord
}

export async function readRecord(folder: string): Promise<IndexRecord | undefined> {
  if (isAddress(folder)) return recordAt(folder)
  const path = join(folder, FILE)
  const pending = await readPending(folder)
  if (pending) return pending
  if (!existsSync(path)) return undefined
  try {
    const record = JSON.parse(await readFile(path, 'utf8')) as IndexRecord
    if (record.version === 1) return record
    throw new Error(`it is version ${String(record.version)}`)
  } catch (cause) {
    throw new SerotineError(
      'INDEX_FORMAT',
      `${path} cannot be read (${(cause as Error).message}). Delete it and pass --model.`,
      { cause },
    )
  }
}

/** An index in a database keeps its model's name, and nothing else of this. Undefined: there is none yet. */
async function recordAt(address: string): Promise<IndexRecord | undefined> {
  const store = await openStoreAt(address, { readonly: true }).catch((error: unknown) => {
    if (SerotineError.isInstance(error) && error.code === 'INDEX_FORMAT') return undefined
    throw error
  })
  const model = store?.spec.model?.name
  await store?.close()
  if (!store) return undefined
  return { version: 1, ...(model !== undefined && { model }), options: {}, root: process.cwd(), passages: {} }
}

/** Of a replacement that was killed when the index was in place already and its record was not. */
async function readPending(folder: string): Promise<IndexRecord | undefined> {
  try {
    const { generation, record } = JSON.parse(await readFile(join(folder, PENDING), 'utf8')) as PendingRecord
    const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as { generation: number }
    return manifest.generation >= generation ? record : undefined
  } catch {
    // There is none, or it was not finished: the index it belongs to is not there.
    return undefined
  }
}

/** Before the index is replaced: what `settleRecord` will make the record when it was. */
export async function writePending(folder: string, pending: PendingRecord): Promise<void> {
  await writeFile(join(folder, PENDING), JSON.stringify(pending))
}

/** Makes the record of the index that is there the only one. For writers. */
export async function settleRecord(folder: string): Promise<void> {
  if (isAddress(folder)) return
  const pending = await readPending(folder)
  if (pending) await writeRecord(folder, pending)
  await rm(join(folder, PENDING), { force: true })
}

export async function writeRecord(folder: string, record: IndexRecord): Promise<void> {
  if (isAddress(folder)) return
  const path = join(folder, FILE)
  await writeFile(`${path}.tmp`, `${JSON.stringify(record, null, 2)}\n`)
  await rename(`${path}.tmp`, path)
}

/**
 * The record of an index after a command with these flags, and all settings that hold for it: what the flags say, else
 * what the index was made with.
 */
export function recordFor(
  folder: string,
  values: Readonly<Record<string, unknown>>,
  before?: IndexRecord,
): { record: IndexRecord; settings: Record<string, unknown> } {
  const model = typeof values.model === 'string' ? modelToKeep(values.model) : before?.model
  const options = { ...before?.options, ...optionsToKeep(values) }
  const record: IndexRecord = {
    version: 1,
    ...(model !== undefined && { model }),
    options,
    root: before?.root ?? rootToKeep(folder),
    passages: {
      ...before?.passages,
      ...(values.passageTokens !== undefined && { maxTokens: values.passageTokens as number }),
      ...(values.overlap !== undefined && { overlap: values.overlap as number }),
      ...(values.split === false && { split: false }),
    },
    ...withReading(before?.reading, values),
  }
  return { record, settings: { ...options, ...values } }
}

function withReading(
  before: IndexRecord['reading'],
  { extensions, exclude, gitignore }: Readonly<Record<string, unknown>>,
): Pick<IndexRecord, 'reading'> {
  const reading = {
    ...before,
    // Other paths of the index may need the endings that were named before.
    ...(extensions !== undefined && {
      extensions: [...new Set([...(before?.extensions ?? []), ...(extensions as string[])])],
    }),
    ...(exclude !== undefined && { exclude: exclude as string[] }),
    ...(gitignore !== undefined && { gitignore: gitignore as boolean }),
  }
  return Object.keys(reading).length > 0 ? { reading } : {}
}

function optionsToKeep(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const specs = [...MODEL_OPTIONS, ...OVERRIDE_OPTIONS, ...ENCODING_OPTIONS, ...INDEX_OPTIONS]
  const picked = pickOptions(
    values,
    specs.filter(({ name }) => !NOT_KEPT.has(name)),
  )
  for (const name of ['cacheDir', 'projection'])
    if (typeof picked[name] === 'string') picked[name] = resolve(picked[name])
  return picked
}

/** A folder by its absolute path, the name of an embedded model or a Hub id as it is. */
function modelToKeep(model: string): string {
  return embeddedName(model) === undefined && existsSync(model) ? resolve(model) : model
}

/** The folder that a record's sources are relative to. */
export function rootOf(folder: string, record: IndexRecord): string {
  return resolve(folder, record.root)
}

/** The root of a new index: where the command runs, told from the index's own place so that both can move together. */
function rootToKeep(folder: string): string {
  if (isAddress(folder)) return process.cwd()
  return relative(resolve(folder), process.cwd()).split(sep).join('/') || '.'
}

/** Whether a folder is an index, whole or damaged, and not a folder of texts. */
export function isIndexFolder(folder: string): boolean {
  if (isAddress(folder)) return false
  return [FILE, PENDING, 'manifest.json'].some((name) => existsSync(join(folder, name)))
}

/** Is there an index (or anything at all) to open? */
export function requireIndex(folder: string): void {
  if (isAddress(folder) || existsSync(folder)) return
  const how =
    folder === DEFAULT_INDEX
      ? 'Make one with: serotine index <paths>, or name one with --index.'
      : 'Make one with: serotine index <paths> --out <folder>.'
  throw new SerotineError('INDEX_FORMAT', `There is no index at ${folder}. ${how}`)
}
