import { setTimeout as sleep } from 'node:timers/promises'
import { SerotineError } from '../errors.js'
import type { RepoFile } from './needed-files.js'

/** Doubles with each failure in a row: the fifth attempt starts after 3.75 s. */
const FIRST_PAUSE_MS = 250

export interface HubOptions {
  readonly id: string
  readonly revision: string
  readonly endpoint: string
  readonly token: string | undefined
  readonly fetch: typeof fetch
  readonly signal: AbortSignal | undefined
  /** How often one request is tried without a byte of progress. */
  readonly attempts: number
}

/** An answer that is not a success. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly url: string,
    readonly hubCode: string,
    readonly retryAfterMs: number | undefined,
  ) {
    super(`${url} answered ${status}${hubCode ? ` (${hubCode})` : ''}`)
  }
}

/** One request; no retries. @throws HttpError, TypeError (no connection), the signal's reason */
export async function request(hub: HubOptions, url: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  // Not through the library's accessToken: that refuses tokens of mirrors, which do not start with hf_. On a redirect to
  // another origin fetch drops this header.
  if (hub.token !== undefined) headers.set('authorization', `Bearer ${hub.token}`)
  const response = await hub.fetch(url, { ...init, headers, ...(hub.signal && { signal: hub.signal }) })
  if (response.ok) return response
  await response.body?.cancel().catch(() => undefined)
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  throw new HttpError(
    response.status,
    response.url || String(url),
    response.headers.get('x-error-code') ?? '',
    Number.isFinite(seconds) ? Math.min(seconds, 60) * 1000 : undefined,
  )
}

/** Runs `attempt` again after transient failures (no connection, 408, 429, 5xx), with growing pauses. */
export async function withRetries<T>(hub: HubOptions, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt()
    } catch (error) {
      hub.signal?.throwIfAborted()
      if (failures >= hub.attempts || !isPassing(error)) throw error
      await pause(hub, error, failures)
    }
  }
}

/** @param failures how many in a row, from 1 */
export async function pause(hub: HubOptions, error: unknown, failures: number): Promise<void> {
  const asked = error instanceof HttpError ? error.retryAfterMs : undefined
  const ms = asked ?? FIRST_PAUSE_MS * 2 ** (failures - 1)
  await sleep(ms, undefined, hub.signal && { signal: hub.signal }).catch(() => undefined)
  hub.signal?.throwIfAborted()
}

export function isPassing(error: unknown): boolean {
  if (error instanceof HttpError) return error.status >= 500 || error.status === 429 || error.status === 408
  return isConnectionError(error)
}

/** An answer that ended before its end. */
export class CutConnection extends Error {}

/** fetch reports failed and cut connections as a TypeError with a cause; streams may surface the system's error itself. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof CutConnection) return true
  if (error instanceof TypeError && /fetch failed|terminated|network|failed to fetch/i.test(error.message)) return true
  return ['ECONNRESET', 'ECONNREFUSED', 'ETIMEDOUT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_SOCKET'].includes(
    (error as NodeJS.ErrnoException | undefined)?.code ?? '',
  )
}

/** The commit a revision stands for, and the files it has. @throws HttpError, TypeError */
export async function listRepo(hub: HubOptions): Promise<{ commit: string; files: RepoFile[] }> {
  const { listFiles, modelInfo } = await import('@huggingface/hub')
  const common = {
    hubUrl: hub.endpoint,
    fetch: ((url, init) => withRetries(hub, () => request(hub, url, init))) as typeof fetch,
  }
  const info = await modelInfo({ ...common, name: hub.id, revision: hub.revision, additionalFields: ['sha'] })
  const commit = String(info.sha)
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new Error(`the Hub gave "${commit}" as the commit of ${hub.revision}`)
  const files: RepoFile[] = []
  const repo = { type: 'model', name: hub.id } as const
  for await (const { type, path, size, oid, lfs, xetHash } of listFiles({
    ...common,
    repo,
    recursive: true,
    revision: commit,
  })) {
    if (type !== 'file') continue
    checkPath(path)
    if (lfs) files.push({ path, size: lfs.size, etag: checkEtag(lfs.oid), digest: 'sha256' })
    else files.push({ path, size, etag: checkEtag(oid ?? xetHash ?? ''), digest: xetHash ? undefined : 'git-sha1' })
  }
  return { commit, files }
}

/** Paths and checksums become file names here; a malicious repository must not choose where. */
function checkPath(path: string): void {
  if (path.split(/[/\\]/).includes('..') || /^[/\\]|^[A-Za-z]:|\0/.test(path)) {
    throw new Error(`the repository has a file named ${JSON.stringify(path)}, which would be written outside the cache`)
  }
}

function checkEtag(etag: string): string {
  if (/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(etag)) return etag
  throw new Error(`the Hub gave ${JSON.stringify(etag)} as a checksum`)
}

export function fileUrl(hub: HubOptions, commit: string, path: string): string {
  return `${hub.endpoint}/${hub.id}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`
}

/** What went wrong with the Hub, and what to do about it. Errors that already say so are passed through. */
export function hubError(error: unknown, hub: HubOptions): unknown {
  if (SerotineError.isInstance(error) || hub.signal?.aborted) return error
  const { id, endpoint, revision, token } = hub
  const model = `${id}${revision === 'main' ? '' : ` (revision ${revision})`}`
  const offline = 'or set offline to use what is cached'
  const make = (code: 'DOWNLOAD_FAILED' | 'MODEL_FILES_MISSING', message: string) =>
    new SerotineError(code, message, { cause: error })
  if (!(error instanceof HttpError)) {
    const reasons = [(error as Error).message, ((error as Error).cause as Error | undefined)?.message]
    const remedy = isConnectionError(error) ? `Check the connection to ${endpoint}, ${offline}.` : 'Try again.'
    // Who types a bare name more likely means a folder that is not there.
    const folder = id.includes('/') ? '' : ` If you meant a folder: there is none named ${id} here.`
    return make(
      'DOWNLOAD_FAILED',
      `${model} could not be downloaded: ${reasons.filter(Boolean).join(': ')}. ${remedy}${folder}`,
    )
  }
  const { status, hubCode } = error
  if (hubCode === 'RevisionNotFound') {
    const remedy = `Use a branch, a tag or a full commit id of ${endpoint}/${id}.`
    return make('MODEL_FILES_MISSING', `${id} has no revision "${revision}". ${remedy}`)
  }
  if (hubCode === 'GatedRepo' || status === 403) {
    const remedy =
      token === undefined
        ? 'pass the token option (or set HF_TOKEN)'
        : 'use the token of an account that was granted access; the one given is not enough'
    const terms = `Accept its terms on ${endpoint}/${id}`
    return make('DOWNLOAD_FAILED', `${model} is gated or forbidden (${status}). ${terms}, then ${remedy}.`)
  }
  if (status === 404 && hubCode !== 'EntryNotFound') {
    const message = `There is no model ${model} on ${endpoint}, and no folder with that name here. Check the spelling.`
    return make('MODEL_FILES_MISSING', message)
  }
  if (status === 401) {
    const remedy =
      token === undefined
        ? 'Check the spelling, or pass the token option (or set HF_TOKEN) if it is private.'
        : 'Check the spelling and the token.'
    return make(
      'DOWNLOAD_FAILED',
      `${endpoint} denies access to ${model} (401): it does not exist, or is private. ${remedy}`,
    )
  }
  return make('DOWNLOAD_FAILED', `${model} could not be downloaded: ${error.message}. Try again later, ${offline}.`)
}
