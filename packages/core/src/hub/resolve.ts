import { stat } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { checkOptions, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import type { OnProgress } from '../encoder.js'
import { EMBEDDED_MODELS, embeddedFolder, embeddedName } from './embedded-model.js'
import { CachedRepo, defaultCacheDir } from './cache.js'
import { hubError, isPassing, listRepo } from './api.js'
import type { HubOptions } from './api.js'
import { missingFiles } from './needed-files.js'
import { completeSnapshot } from './snapshot.js'

/** Where to look for a checkpoint that is not a folder. */
export interface ResolveOptions {
  /** Branch, tag or commit. Default `main`. A full commit that is cached needs no network. */
  revision?: string
  /** For private and gated models. Default: the environment variable HF_TOKEN. */
  token?: string
  /** Default: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub, shared with Python. */
  cacheDir?: string
  /** Never open a socket. Default: the environment variable HF_HUB_OFFLINE. */
  offline?: boolean
  /** A mirror of the Hub. Default: HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string
  /** For proxies and tests. */
  fetch?: typeof fetch
  signal?: AbortSignal
  /** `phase: 'download'`; `done` and `total` are bytes over all files. Not called when everything is cached. */
  onProgress?: OnProgress
  onWarning?: OnWarning
}

export interface ResolvedCheckpoint {
  /** Absolute. In the Hub cache its files are links. */
  folder: string
  /** As given, or an embedded model's package. */
  name: string
  /** The commit, for models of the Hub. */
  revision?: string
}

const OPTIONS = ['revision', 'token', 'cacheDir', 'offline', 'endpoint', 'fetch', 'signal', 'onProgress', 'onWarning']

/**
 * Finds the folder of a checkpoint: an embedded model ('micro', the default, or 'small'), a folder as it is (never touching the network), or
 * a model of the Hugging Face Hub, of which the files a checkpoint needs are downloaded once.
 *
 * @throws INVALID_ARGUMENT, MODEL_FILES_MISSING (no such folder, model or revision), OFFLINE (naming what is not cached),
 *   DOWNLOAD_FAILED (no access, no connection, wrong bytes, no place to write)
 */
export async function resolveCheckpoint(
  idOrFolder: string = 'micro',
  options: ResolveOptions = {},
): Promise<ResolvedCheckpoint> {
  checkOptions('resolveCheckpoint', options, OPTIONS, { local_files_only: 'offline', cache_dir: 'cacheDir' })
  const embedded = embeddedName(idOrFolder)
  if (embedded !== undefined) return { folder: await embeddedFolder(embedded), name: EMBEDDED_MODELS[embedded] }
  const found = await stat(idOrFolder).catch(() => undefined)
  if (found?.isDirectory()) return { folder: resolve(idOrFolder), name: idOrFolder }
  if (found) throw new SerotineError('INVALID_ARGUMENT', `${idOrFolder} is a file. Pass the model's folder.`)
  if (looksLikePath(idOrFolder)) {
    const message = `There is no folder ${resolve(idOrFolder)}. Pass a model folder or a Hub id (org/name).`
    throw new SerotineError('MODEL_FILES_MISSING', message)
  }
  if (!/^\w[\w.-]*(?:\/\w[\w.-]*)?$/.test(idOrFolder) || /--|\.\./.test(idOrFolder)) {
    throw new SerotineError('INVALID_ARGUMENT', `${describe(idOrFolder)} is neither a folder nor a Hub id (org/name).`)
  }
  return fromHub(idOrFolder, options)
}

function looksLikePath(text: string): boolean {
  return isAbsolute(text) || /^[.~]|\\|^[A-Za-z]:|\/.*\/|\/$/.test(text)
}

async function fromHub(id: string, options: ResolveOptions): Promise<ResolvedCheckpoint> {
  const { revision = 'main', signal } = options
  if (!/^[\w][\w./-]*$/.test(revision) || revision.split('/').includes('..')) {
    throw new SerotineError('INVALID_ARGUMENT', `revision must be a branch, tag or commit, got ${describe(revision)}.`)
  }
  const repo = new CachedRepo(options.cacheDir ?? defaultCacheDir(), id)
  const cached = await fromCache(repo, revision)
  const offline = options.offline ?? /^(?:1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? '')
  if (offline) return offlineResult(repo, revision, cached)
  const isWhole = cached.missing.length === 0 && (await repo.isComplete(revision))
  // A commit never changes.
  if (cached.revision === revision && isWhole) return cached.result
  const hub: HubOptions = {
    id,
    revision,
    signal,
    endpoint: checkEndpoint(options.endpoint ?? (process.env.HF_ENDPOINT || 'https://huggingface.co')),
    token: options.token ?? (process.env.HF_TOKEN || undefined),
    fetch: options.fetch ?? fetch,
    // Whoever has all the files should not wait long for a Hub that is unreachable.
    attempts: cached.revision !== undefined && cached.missing.length === 0 ? 2 : 5,
  }
  try {
    signal?.throwIfAborted()
    const { commit, files } = await listRepo(hub)
    const folder = await completeSnapshot(hub, repo, commit, files, options)
    return { folder, name: id, revision: commit }
  } catch (error) {
    if (isPassing(error) && cached.revision !== undefined && cached.missing.length === 0) {
      options.onWarning?.({
        code: 'HUB_UNREACHABLE',
        message: `${(hubError(error, hub) as Error).message} Using the cached revision ${cached.revision} of ${id}.`,
      })
      return cached.result
    }
    throw hubError(error, hub)
  }
}

function checkEndpoint(endpoint: string): string {
  if (/^https?:\/\//.test(endpoint) && URL.canParse(endpoint)) return endpoint.replace(/\/+$/, '')
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `endpoint must be a URL such as https://huggingface.co, got ${describe(endpoint)}.`,
  )
}

interface Cached {
  /** The commit that `revision` stood for last time; undefined when the model was never fetched. */
  readonly revision: string | undefined
  readonly missing: readonly string[]
  readonly result: ResolvedCheckpoint
}

async function fromCache(repo: CachedRepo, revision: string): Promise<Cached> {
  const commit = await repo.commitOf(revision)
  const folder = repo.snapshot(commit ?? revision)
  const missing = commit === undefined ? [] : await missingFiles(folder)
  return {
    revision: commit,
    missing,
    result: { folder, name: repo.id, ...(commit !== undefined && { revision: commit }) },
  }
}

function offlineResult(
  repo: CachedRepo,
  revision: string,
  { revision: commit, missing, result }: Cached,
): ResolvedCheckpoint {
  if (commit !== undefined && missing.length === 0) return result
  const what =
    commit === undefined
      ? `revision "${revision}" of ${repo.id} is not in the cache (${repo.folder}), and there is no folder ${resolve(repo.id)}`
      : `the cache lacks ${missing.join(', ')} of ${repo.id} (${result.folder})`
  throw new SerotineError('OFFLINE', `Offline, but ${what}. Load the model once with a connection, or pass a folder.`)
}
