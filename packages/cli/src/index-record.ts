import { existsSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve, relative, sep } from 'node:path'
import { SerotineError } from '@serotine/core'
import { INDEX_OPTIONS, ENCODING_OPTIONS, MODEL_OPTIONS, OVERRIDE_OPTIONS, pickOptions } from './options.js'

/** Where indexes are unless told otherwise: in the current folder. */
export const DEFAULT_INDEX = '.serotine'

/**
 * What `serotine index` was told, kept in the index's folder so that `search` and a later `index` need not be told again.
 * Never a token, and nothing about this machine's cores or network.
 */
export interface IndexRecord {
  readonly version: 1
  /** Hub id or absolute folder; absent for the built-in model. */
  readonly model?: string
  /** Library options of the model, of document encoding and of the index. */
  readonly options: Readonly<Record<string, unknown>>
  /** Folder that sources are relative to; itself relative to the index. */
  readonly root: string
  /** Longest passage in tokens and overlap; `split: false` when texts were kept whole. */
  readonly passages: { readonly maxTokens?: number; readonly overlap?: number; readonly split?: boolean }
}

const FILE = 'serotine.json'
/** Options that say how to run on this machine, or are secret. */
const NOT_KEPT = new Set(['token', 'offline', 'workers', 'threads', 'batchSize', 'firstStage'])

export async function readRecord(folder: string): Promise<IndexRecord | undefined> {
  const path = join(folder, FILE)
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

export async function writeRecord(folder: string, record: IndexRecord): Promise<void> {
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
  }
  return { record, settings: { ...options, ...values } }
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

/** A folder by its absolute path, a Hub id as it is. */
function modelToKeep(model: string): string {
  return existsSync(model) ? resolve(model) : model
}

/** The folder that a record's sources are relative to. */
export function rootOf(folder: string, record: IndexRecord): string {
  return resolve(folder, record.root)
}

/** The root of a new index: where the command runs, told from the index's own place so that both can move together. */
function rootToKeep(folder: string): string {
  return relative(resolve(folder), process.cwd()).split(sep).join('/') || '.'
}

/** Is there an index (or anything at all) to open? */
export function requireIndex(folder: string): void {
  if (existsSync(folder)) return
  const how =
    folder === DEFAULT_INDEX
      ? 'Make one with: serotine index <paths>, or name one with --index.'
      : 'Make one with: serotine index <paths> --out <folder>.'
  throw new SerotineError('INDEX_FORMAT', `There is no index at ${folder}. ${how}`)
}
