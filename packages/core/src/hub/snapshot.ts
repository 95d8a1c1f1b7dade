import { dirname, join } from 'node:path'
import type { OnProgress } from '../encoder.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import type { HubOptions } from './api.js'
import { CachedRepo, cacheError, isUnwritable, sizeOf } from './cache.js'
import { downloadBlob } from './download.js'
import { moduleFolders, neededFiles } from './needed-files.js'
import type { RepoFile } from './needed-files.js'
import { temporaryFolder } from './temporary-folder.js'

const PARALLEL_DOWNLOADS = 4

/** Where a download goes, and who hears of it. */
export interface SnapshotOptions {
  /** Set by the caller: then no other folder will do. */
  cacheDir?: string
  onProgress?: OnProgress
  onWarning?: OnWarning
}

/**
 * Completes the snapshot of a commit: downloads what a checkpoint needs and the cache lacks.
 *
 * @param files all of the commit's
 * @returns the snapshot's folder
 * @throws MODEL_FILES_MISSING (no weights that can be read), DOWNLOAD_FAILED, what `hubError` makes understandable
 */
export async function completeSnapshot(
  hub: HubOptions,
  wanted: CachedRepo,
  commit: string,
  files: readonly RepoFile[],
  options: SnapshotOptions,
): Promise<string> {
  let repo = wanted
  const complete = async (needed: readonly RepoFile[], onProgress: OnProgress | undefined) => {
    const absent: RepoFile[] = []
    for (const file of needed) if (!(await repo.has(commit, file))) absent.push(file)
    const progress = new DownloadProgress(onProgress)
    for (const file of absent) if ((await sizeOf(repo.blob(file.etag))) !== file.size) progress.expect(file)
    // Small files first: their round trips are over while the weights stream.
    absent.sort((a, b) => a.size - b.size)
    await inParallel(PARALLEL_DOWNLOADS, absent, hub.signal, async (file, signal) => {
      await downloadBlob({ ...hub, signal }, repo, commit, file, (bytes) => progress.report(file, bytes))
      await repo.link(commit, file)
    })
  }
  try {
    const modulesJson = files.filter(({ path }) => path === 'modules.json')
    try {
      await complete(modulesJson, undefined)
      const modules = modulesJson.length > 0 ? await moduleFolders(repo.snapshot(commit)) : undefined
      const needed = neededFiles(files, modules)
      requireWeights(hub, files, needed)
      await complete(needed, options.onProgress)
    } catch (error) {
      if (!isUnwritable(error) || options.cacheDir !== undefined || repo !== wanted) throw error
      repo = await temporaryRepo(repo, options.onWarning)
      return await completeSnapshot(hub, repo, commit, files, { ...options, cacheDir: dirname(repo.folder) })
    }
    // Last, so that a branch never points at half a snapshot. In a read-only cache that has all files these two are not
    // worth failing for.
    await repo.markComplete(commit).catch(ignoreUnwritable)
    await repo.rememberCommit(hub.revision, commit).catch(ignoreUnwritable)
    return repo.snapshot(commit)
  } catch (error) {
    throw cacheError(error, dirname(repo.folder))
  }
}

function ignoreUnwritable(error: unknown): void {
  if (!isUnwritable(error)) throw error
}

/** Where HOME cannot be written (containers, functions in a cloud), downloads go to a folder of this user's that can. */
async function temporaryRepo(repo: CachedRepo, onWarning: OnWarning | undefined): Promise<CachedRepo> {
  const folder = await temporaryFolder().catch((cause: unknown) => {
    const message = `The cache ${dirname(repo.folder)} cannot be written. Set cacheDir. ${(cause as Error).message}`
    throw new SerotineError('DOWNLOAD_FAILED', message, { cause })
  })
  onWarning?.({
    code: 'CACHE_READONLY',
    message:
      `The cache ${dirname(repo.folder)} cannot be written; ${repo.id} goes to ${folder}, which may be temporary. ` +
      'Set cacheDir to keep it.',
  })
  return new CachedRepo(join(folder, 'hub'), repo.id)
}

function requireWeights(hub: HubOptions, files: readonly RepoFile[], needed: readonly RepoFile[]): void {
  if (needed.some(({ path }) => /\.(?:safetensors|onnx)$/.test(path))) return
  const others = files.map(({ path }) => path).filter((path) => /\.(?:bin|pt|h5|msgpack|gguf|onnx|ot|ckpt)$/.test(path))
  throw new SerotineError(
    'MODEL_FILES_MISSING',
    `${hub.id} has no model.safetensors${others.length > 0 ? ` (only ${others.slice(0, 5).join(', ')})` : ''}. ` +
      'Convert its weights to safetensors, or choose another revision.',
  )
}

/** Works through items, some at a time. The first failure stops the others, and is thrown when all have stopped. */
async function inParallel<T>(
  width: number,
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  let next = 0
  const failures: unknown[] = []
  const worker = async () => {
    while (next < items.length && !either.aborted) {
      try {
        await work(items[next++]!, either)
      } catch (error) {
        failures.push(error)
        stop.abort()
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  signal?.throwIfAborted()
  if (failures.length > 0) throw failures[0]
}

class DownloadProgress {
  readonly #onProgress: OnProgress | undefined
  readonly #bytes = new Map<string, number>()
  #total = 0
  #done = 0

  constructor(onProgress: OnProgress | undefined) {
    this.#onProgress = onProgress
  }

  expect(file: RepoFile): void {
    if (this.#bytes.has(file.path)) return
    this.#bytes.set(file.path, 0)
    this.#total += file.size
  }

  report(file: RepoFile, bytes: number): void {
    this.#done += bytes - (this.#bytes.get(file.path) ?? 0)
    this.#bytes.set(file.path, bytes)
    this.#onProgress?.({ phase: 'download', done: this.#done, total: this.#total, file: file.path })
  }
}
