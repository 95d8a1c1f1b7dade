import { readFile, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'

/** A file of a Hub repository. */
export interface RepoFile {
  readonly path: string
  readonly size: number
  /** Name of its blob in the cache, which is the checksum. */
  readonly etag: string
  /** How `etag` is computed; undefined when it is none of the two (then only the size can be checked). */
  readonly digest: 'sha256' | 'git-sha1' | undefined
}

/** Small files of a folder that say what a checkpoint is. */
const SETTINGS = /^(?:[^/]+\.json|vocab\.txt|artifact\.metadata)$/
const WEIGHTS = /^model(?:-\d+-of-\d+)?\.safetensors$/
const GRAPHS = /^model(?:_int8)?\.onnx(?:[._]data)?$/

/** An entry of modules.json. */
export interface ModuleFolder {
  /** '' is the root. */
  readonly path: string
  /** Last part of the class name: `Transformer`, `Dense` … */
  readonly type: string
}

/**
 * What `readCheckpoint` reads: settings of the root and of the module folders, safetensors weights, and graphs only
 * where there are no weights. Not: README, images, weights in other formats, optimizer states.
 *
 * @param modules of modules.json, or undefined without one
 */
export function neededFiles(files: readonly RepoFile[], modules: readonly ModuleFolder[] | undefined): RepoFile[] {
  const folders = new Set(['', ...(modules ?? []).map(({ path }) => path)])
  const inFolders = files.filter(({ path }) => folders.has(folderOf(path)))
  const pick = (pattern: RegExp) => inFolders.filter(({ path }) => pattern.test(posix.basename(path)))
  const whole = new Set(
    inFolders.map(({ path }) => path).filter((path) => posix.basename(path) === 'model.safetensors'),
  )
  // Some repositories hold the weights both whole and in shards; the reader takes the whole.
  const weights = pick(WEIGHTS).filter(
    ({ path }) => whole.has(path) || !whole.has(posix.join(folderOf(path), 'model.safetensors')),
  )
  // Weights of Dense layers alone are no encoder.
  const graphs = weights.some(({ path }) => folderOf(path) === encoderFolder(modules)) ? [] : pick(GRAPHS)
  return [...pick(SETTINGS), ...weights, ...graphs]
}

function folderOf(path: string): string {
  const folder = posix.dirname(path)
  return folder === '.' ? '' : folder
}

function encoderFolder(modules: readonly ModuleFolder[] | undefined): string {
  return modules?.find(({ type }) => type === 'Transformer')?.path ?? ''
}

/** The entries of modules.json, or undefined when there is none. A damaged one is left to the reader to report. */
export async function moduleFolders(folder: string): Promise<ModuleFolder[] | undefined> {
  const text = await readFile(join(folder, 'modules.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    return (JSON.parse(text) as { path?: unknown; type?: unknown }[]).map(({ path, type }) => ({
      path: posix.join('.', String(path ?? '')).replace(/^\.$|\/$/, ''),
      type: String(type ?? '').replace(/^.*\./, ''),
    }))
  } catch {
    return []
  }
}

/**
 * What a folder lacks to be a checkpoint, as far as its own files can tell; for caches that cannot be compared with the
 * Hub.
 */
export async function missingFiles(folder: string): Promise<string[]> {
  const has = (path: string) =>
    stat(join(folder, path)).then(
      (found) => found.isFile(),
      () => false,
    )
  const missing: string[] = []
  const modules = await moduleFolders(folder)
  const encoder = encoderFolder(modules)
  const config = posix.join(encoder, 'config.json')
  if (!(await has('onnx_config.json')) && !(await has(config))) missing.push(config)
  const tokenizers = ['tokenizer.json', posix.join(encoder, 'tokenizer.json'), posix.join(encoder, 'vocab.txt')]
  if (!(await some(tokenizers, has))) missing.push('tokenizer.json')
  for (const { path } of (modules ?? []).filter(({ type }) => type === 'Dense')) {
    const dense = posix.join(path, 'config.json')
    if (!(await has(dense))) missing.push(dense)
    missing.push(...(await missingWeights(folder, path, has)))
  }
  if (!(await some(['model.onnx', 'model_int8.onnx'], has)))
    missing.push(...(await missingWeights(folder, encoder, has)))
  return missing
}

async function missingWeights(
  folder: string,
  module: string,
  has: (path: string) => Promise<boolean>,
): Promise<string[]> {
  const single = posix.join(module, 'model.safetensors')
  if (await has(single)) return []
  const index = await readFile(join(folder, module, 'model.safetensors.index.json'), 'utf8').catch(() => undefined)
  if (index === undefined) return [single]
  let shards: string[] = []
  try {
    shards = Object.values((JSON.parse(index) as { weight_map?: Record<string, string> }).weight_map ?? {})
  } catch {
    // Left to the reader to report.
  }
  const missing: string[] = []
  for (const shard of new Set(shards))
    if (!(await has(posix.join(module, shard)))) missing.push(posix.join(module, shard))
  return missing
}

async function some(paths: readonly string[], has: (path: string) => Promise<boolean>): Promise<boolean> {
  for (const path of paths) if (await has(path)) return true
  return false
}
