import { open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { SerotineError } from '../errors.js'
import { digestFile, sizeOf, startDigest } from './cache.js'
import type { CachedRepo } from './cache.js'
import { CutConnection, fileUrl, HttpError, isPassing, pause, request } from './api.js'
import type { HubOptions } from './api.js'
import type { RepoFile } from './needed-files.js'

/** Downloads under way in this process, by blob: two loads of one model fetch it once. */
const underWay = new Map<string, Promise<void>>()

/**
 * Fetches one file into the cache's blobs. Resumes where an earlier attempt stopped, survives cut connections, and gives
 * the file its name only when size and checksum are right.
 *
 * `@huggingface/hub` has `downloadFileToCacheDir`, but it neither resumes, nor retries, nor verifies, nor can be aborted.
 *
 * @param onBytes bytes of this file that are on disk so far
 * @throws HttpError, TypeError, errors of the file system, DOWNLOAD_FAILED for wrong bytes
 */
export async function downloadBlob(
  hub: HubOptions,
  repo: CachedRepo,
  commit: string,
  file: RepoFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const blob = repo.blob(file.etag)
  for (let other = underWay.get(blob); other; other = underWay.get(blob)) await other.catch(() => undefined)
  const work = fetchBlob(hub, repo, commit, file, onBytes)
  underWay.set(blob, work)
  try {
    await work
  } finally {
    underWay.delete(blob)
  }
}

async function fetchBlob(
  hub: HubOptions,
  repo: CachedRepo,
  commit: string,
  file: RepoFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if ((await sizeOf(repo.blob(file.etag))) === file.size) return
  const path = await repo.claimIncomplete(file.etag)
  // What an earlier attempt left may be damaged, so a wrong checksum gets one fresh start.
  for (let fresh = false; ; fresh = true) {
    try {
      await fetchBytes(hub, fileUrl(hub, commit, file.path), file, path, onBytes)
    } catch (error) {
      await repo.releaseIncomplete(file.etag, path)
      throw error
    }
    if (await isRight(file, path)) return rename(path, repo.blob(file.etag))
    await rm(path, { force: true })
    if (fresh) {
      throw new SerotineError(
        'DOWNLOAD_FAILED',
        `${file.path} of ${hub.id} arrived with different bytes from those the Hub announced (${file.digest ?? 'size'} ${file.etag}, ` +
          `${file.size} bytes), twice. Something between this machine and ${hub.endpoint} changes downloads; the file was not kept.`,
      )
    }
  }
}

/** Appends to `path` until it has the announced size. */
async function fetchBytes(
  hub: HubOptions,
  url: string,
  file: RepoFile,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const handle = await open(path, (await sizeOf(path)) === undefined ? 'w+' : 'r+')
  try {
    let have = (await handle.stat()).size
    if (have > file.size) have = await restart(handle)
    let failures = 0
    while (have < file.size) {
      onBytes(have)
      const before = have
      try {
        const range = have > 0 ? { range: `bytes=${have}-` } : undefined
        const response = await request(hub, url, { headers: { 'accept-encoding': 'identity', ...range } })
        // A server that does not know ranges starts over.
        if (have > 0 && response.status !== 206) have = await restart(handle)
        for await (const chunk of response.body ?? []) {
          const bytes = chunk as Uint8Array
          await writeAt(handle, bytes, have)
          have += bytes.byteLength
          onBytes(have)
          if (have > file.size) break
        }
        if (have < file.size) throw new CutConnection(`the response ended after ${have} of ${file.size} bytes`)
      } catch (error) {
        hub.signal?.throwIfAborted()
        if (error instanceof HttpError && error.status === 416) {
          have = await restart(handle)
        } else if (!isPassing(error)) {
          throw error
        }
        failures = have > before ? 1 : failures + 1
        if (failures >= hub.attempts) throw error
        await pause(hub, error, failures)
      }
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position + done)
    done += bytesWritten
  }
}

async function restart(handle: FileHandle): Promise<number> {
  await handle.truncate(0)
  return 0
}

async function isRight(file: RepoFile, path: string): Promise<boolean> {
  if ((await sizeOf(path)) !== file.size) return false
  const hash = startDigest(file)
  if (!hash) return true
  await digestFile(hash, path)
  return hash.digest('hex') === file.etag
}
