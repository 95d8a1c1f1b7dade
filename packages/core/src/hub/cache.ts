import { createHash, randomUUID } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { SerotineError } from '../errors.js'
import type { RepoFile } from './needed-files.js'

/** Where the Hub's clients keep downloads: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const home = (path: string) => (/^~(?=[/\\]|$)/.test(path) ? join(homedir(), path.slice(1)) : path)
  const cache = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE
  if (cache) return home(cache)
  if (env.HF_HOME) return join(home(env.HF_HOME), 'hub')
  return join(home(env.XDG_CACHE_HOME || join(homedir(), '.cache')), 'huggingface', 'hub')
}

/**
 * One model in the standard Hub cache, shared with Python's huggingface_hub:
 *
 *     models--org--name/refs/main                    → the commit
 *     models--org--name/blobs/<checksum>             the bytes
 *     models--org--name/snapshots/<commit>/config.json → ../../blobs/<checksum>
 */
export class CachedRepo {
  readonly folder: string

  constructor(
    cacheDir: string,
    readonly id: string,
  ) {
    this.folder = join(cacheDir, ['models', ...id.split('/')].join('--'))
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit)
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag)
  }

  /** The commit that a branch or tag had when it was last looked up. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => undefined)
    return text?.trim()
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.commitOf(revision)) === commit) return
    const path = join(this.folder, 'refs', revision)
    await mkdir(dirname(path), { recursive: true })
    const temporary = `${path}.${randomUUID()}.tmp`
    await writeFile(temporary, commit)
    await rename(temporary, path)
  }

  /** True when the snapshot has the file with the right size. */
  async has(commit: string, file: RepoFile): Promise<boolean> {
    return (await sizeOf(join(this.snapshot(commit), file.path))) === file.size
  }

  /** Puts the file's blob into a snapshot: a relative link, or a copy where links are not allowed (Windows). */
  async link(commit: string, file: RepoFile): Promise<void> {
    if (await this.has(commit, file)) return
    const pointer = join(this.snapshot(commit), file.path)
    const blob = this.blob(file.etag)
    await mkdir(dirname(pointer), { recursive: true })
    await rm(pointer, { force: true })
    try {
      await symlink(relative(dirname(pointer), blob), pointer)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
      const temporary = `${pointer}.${randomUUID()}.tmp`
      await copyFile(blob, temporary)
      await rename(temporary, pointer)
    }
  }

  /** True when a snapshot was once compared with the Hub's list of files and found complete. */
  isComplete(commit: string): Promise<boolean> {
    return stat(this.#mark(commit)).then(
      () => true,
      () => false,
    )
  }

  async markComplete(commit: string): Promise<void> {
    if (await this.isComplete(commit)) return
    await mkdir(dirname(this.#mark(commit)), { recursive: true })
    await writeFile(this.#mark(commit), '')
  }

  /** Python may have fetched a part of a snapshot, which its files alone do not tell. */
  #mark(commit: string): string {
    return join(this.folder, '.serotine', commit)
  }

  /**
   * Claims what an earlier attempt left of a file, so that two processes never write to the same bytes: it is renamed
   * to a name that says which process works on it. Attempts that ended cleanly leave `<etag>.free.incomplete`;
   * those of a process that is gone are found by its number; Python leaves `<etag>.incomplete`.
   *
   * @returns the path to write on; the file may not exist yet
   */
  async claimIncomplete(etag: string): Promise<string> {
    const blobs = dirname(this.blob(etag))
    await mkdir(blobs, { recursive: true })
    const mine = `${this.blob(etag)}.${hostname()}-${process.pid}.incomplete`
    if ((await sizeOf(mine)) !== undefined) return mine
    for (const name of await readdir(blobs)) {
      if (!name.startsWith(`${etag}.`) || !name.endsWith('.incomplete')) continue
      const left = join(blobs, name)
      if (!(await isAbandoned(left))) continue
      if (
        await rename(left, mine).then(
          () => true,
          () => false,
        )
      )
        break
    }
    return mine
  }

  /** Leaves an unfinished file for the next attempt, whoever makes it. */
  async releaseIncomplete(etag: string, path: string): Promise<void> {
    if ((await sizeOf(path)) === 0) await rm(path, { force: true })
    else await rename(path, `${this.blob(etag)}.free.incomplete`).catch(() => undefined)
  }
}

/** Another machine that shares this cache, or a Python process, cannot be asked; after this long without a byte it is given up. */
const GIVEN_UP_MS = 900_000

async function isAbandoned(path: string): Promise<boolean> {
  if (path.endsWith('.free.incomplete')) return true
  const owner = /\.(.*)-(\d+)\.incomplete$/.exec(basename(path))
  if (owner?.[1] === hostname()) return !isAlive(Number(owner[2]))
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > GIVEN_UP_MS
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

/** Bytes of a file (through links), or undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.size : undefined
}

/** The running checksum of a file of this size; git puts the size in front. */
export function startDigest({ digest, size }: RepoFile): Hash | undefined {
  if (digest === 'sha256') return createHash('sha256')
  if (digest === 'git-sha1') return createHash('sha1').update(`blob ${size}\0`)
  return undefined
}

/** Feeds a file to a checksum. */
export async function digestFile(hash: Hash, path: string): Promise<void> {
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
}

/** An error of the file system while writing to the cache, as one that says what to do. */
export function cacheError(error: unknown, folder: string): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SerotineError(
      'DOWNLOAD_FAILED',
      `The disk of ${folder} is full. Free some space and load again (the download resumes where it stopped), or set ` +
        'cacheDir to a folder on another disk.',
      { cause: error },
    )
  }
  if (isUnwritable(error)) {
    const message = `Nothing can be written to the cache ${folder} (${code}). Set cacheDir to a folder you may write to.`
    return new SerotineError('DOWNLOAD_FAILED', message, { cause: error })
  }
  return error
}

export function isUnwritable(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}
