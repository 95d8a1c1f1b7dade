import { readdir, stat } from 'node:fs/promises'
import type { Dirent, Stats } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { SerotineError } from '@serotine/core'
import { excludedBy, rulesFor } from './gitignore.js'
import type { IgnoreRules } from './gitignore.js'
import { placeOf, unreadable } from './skipped.js'
import type { SkipReason, Skipped } from './skipped.js'

export type FileKind = 'text' | 'markdown' | 'html' | 'pdf' | 'docx' | 'jsonl'

export interface FoundFile {
  /** Absolute path. */
  readonly path: string
  readonly kind: FileKind
  readonly bytes: number
  /** Of the file as it was found: another one when it may have been changed since. */
  readonly version: string
  /** The path was given itself, not found in a folder: what cannot be read is then an error. */
  readonly named?: boolean
}

const KINDS: Readonly<Record<string, FileKind>> = {
  '.txt': 'text',
  '.text': 'text',
  '.rst': 'text',
  '.adoc': 'text',
  '.md': 'markdown',
  '.markdown': 'markdown',
  '.mdx': 'markdown',
  '.html': 'html',
  '.htm': 'html',
  '.xhtml': 'html',
  '.pdf': 'pdf',
  '.docx': 'docx',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.jsonl.gz': 'jsonl',
  '.ndjson.gz': 'jsonl',
}
/** Endings read from a folder without being asked for. */
export const EXTENSIONS: readonly string[] = Object.keys(KINDS)

/** Folders that are never looked into. */
export const IGNORED_FOLDERS: ReadonlySet<string> = new Set(['node_modules'])

export interface WalkOptions {
  /** More file name endings to read as plain text, e.g. `['.ts', '.py']`. */
  extensions?: readonly string[]
  /** Patterns as in a `.gitignore`, of the current folder and of each folder given, e.g. `['drafts/', '*.test.md']`. */
  exclude?: readonly string[]
  /** Leave out what `.gitignore` files say. Default true. */
  gitignore?: boolean
  /**
   * Continue after a file or folder inside the folders given that cannot be read, telling `onSkip`. Default false: throw.
   */
  skipUnreadable?: boolean
  /** Folder that places in messages are relative to. Default: the current one. */
  root?: string
  onSkip?: (skipped: Skipped) => void
  signal?: AbortSignal
}

export interface FoundFiles {
  readonly files: FoundFile[]
  /** Files inside the folders whose ending is not supported. */
  readonly otherFiles: number
}

/** Names of everything in `WalkOptions`. */
export const WALK_OPTIONS = ['extensions', 'exclude', 'gitignore', 'skipUnreadable', 'root', 'onSkip', 'signal']

/**
 * Finds the texts in files and folders, sorted by path, each once. Inside folders, `node_modules`, names that
 * start with a dot, linked folders and what a `.gitignore` names are left out; a file or folder that is given itself is
 * always taken, a file as plain text if its ending is unknown, unless `exclude` names it.
 *
 * @param leaveOut one more folder to leave out without a word: the index itself
 * @throws INPUT_FORMAT when a path does not exist, or cannot be read
 */
export async function findFiles(
  paths: readonly string[],
  options: WalkOptions = {},
  leaveOut?: string,
): Promise<FoundFiles> {
  const walk = new Walk(options, leaveOut)
  for (const given of paths) await walk.start(given)
  const files = [...walk.found.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  return { files, otherFiles: walk.otherFiles }
}

/** One pass over files and folders. */
class Walk {
  readonly found = new Map<string, FoundFile>()
  otherFiles = 0
  readonly #options: WalkOptions
  readonly #leaveOut: string | undefined
  readonly #extra: ReadonlySet<string>
  readonly #excluded: ReturnType<typeof excludedBy>

  constructor(options: WalkOptions, leaveOut: string | undefined) {
    this.#options = options
    this.#leaveOut = leaveOut
    this.#extra = new Set(
      (options.extensions ?? []).map((ending) => (ending.startsWith('.') ? ending : `.${ending}`).toLowerCase()),
    )
    this.#excluded = excludedBy(options.exclude ?? [])
  }

  async start(given: string): Promise<void> {
    const path = resolve(given)
    const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
      const why = cause.code ?? cause.message
      throw new SerotineError('INPUT_FORMAT', `${given} cannot be read (${why}). Check the path.`, { cause })
    })
    const isFolder = info.isDirectory()
    const pattern = this.#excluded(path, isFolder, isFolder ? undefined : dirname(path))
    if (pattern !== undefined) return this.#skip('excluded', path, isFolder, `is excluded by ${pattern}`)
    if (!isFolder) {
      this.found.set(path, {
        path,
        kind: kindOf(path) ?? 'text',
        bytes: info.size,
        version: versionOf(info),
        named: true,
      })
      return
    }
    const rules =
      this.#options.gitignore === false
        ? undefined
        : await rulesFor(path, (file, error) => this.#cannotRead(file, false, error))
    await this.#folder(path, path, rules)
  }

  async #folder(folder: string, from: string, above: IgnoreRules | undefined): Promise<void> {
    this.#options.signal?.throwIfAborted()
    let entries: Dirent[]
    try {
      entries = await readdir(folder, { withFileTypes: true })
    } catch (error) {
      return this.#cannotRead(folder, true, error)
    }
    const rules = entries.some(({ name }) => name === '.gitignore') ? await above?.inside(folder) : above
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (path === this.#leaveOut) continue
      const isFolder = entry.isDirectory()
      const why = this.#leftOut(path, isFolder, from, rules)
      if (why) this.#skip(why[0], path, isFolder, why[1])
      else if (isFolder) await this.#folder(path, from, rules)
      else await this.#entry(path, entry)
    }
  }

  #leftOut(
    path: string,
    isFolder: boolean,
    from: string,
    rules: IgnoreRules | undefined,
  ): readonly [SkipReason, string] | undefined {
    const name = basename(path)
    if (name.startsWith('.')) return ['hidden', 'begins with a dot']
    if (isFolder && IGNORED_FOLDERS.has(name)) return ['hidden', 'is never looked into']
    const pattern = this.#excluded(path, isFolder, from)
    if (pattern !== undefined) return ['excluded', `is excluded by ${pattern}`]
    const rule = rules?.ignoredBy(path, isFolder)
    return rule === undefined ? undefined : ['ignored', `is ignored by ${rule}`]
  }

  async #entry(path: string, entry: Dirent): Promise<void> {
    const isLink = entry.isSymbolicLink()
    if (!isLink && !entry.isFile()) return this.#skip('special', path, false, 'is a pipe, a socket or a device')
    const kind = kindOf(path) ?? (this.#extra.has(extname(path).toLowerCase()) ? 'text' : undefined)
    if (kind || isLink) {
      let info: Stats
      try {
        info = await stat(path)
      } catch (error) {
        // A dangling link is nobody's document.
        if (isLink && ((error as NodeJS.ErrnoException).code === 'ENOENT' || !kind))
          return this.#skip('link', path, false, 'is a link that leads nowhere')
        return this.#cannotRead(path, false, error)
      }
      // Linked folders could lead in circles.
      if (info.isDirectory()) return this.#skip('link', path, true, 'is a linked folder')
      if (!info.isFile()) return this.#skip('special', path, false, 'leads to a pipe, a socket or a device')
      if (kind) {
        const named = this.found.get(path)?.named === true
        this.found.set(path, { path, kind, bytes: info.size, version: versionOf(info), ...(named && { named }) })
        return
      }
    }
    this.otherFiles++
    this.#skip('other-kind', path, false, 'is of another kind')
  }

  #skip(reason: SkipReason, path: string, isFolder: boolean, what: string): void {
    const place = placeOf(path, isFolder, this.#options.root)
    this.#options.onSkip?.({ reason, place, message: `${place} ${what}` })
  }

  #cannotRead(path: string, isFolder: boolean, error: unknown): void {
    const skipped = unreadable(error, path, isFolder, this.#options.root)
    if (!skipped) throw error
    if (!this.#options.skipUnreadable) throw new SerotineError('INPUT_FORMAT', `${skipped.message}.`, { cause: error })
    this.#options.onSkip?.(skipped)
  }
}

/** What the system says of a file's content: another one for another content, be it written in place, put in its place or dated back. */
export function versionOf({ size, mtimeMs, ctimeMs, ino }: Stats): string {
  return [size, mtimeMs, ctimeMs, ino].join(' ')
}

/** How a file is read, by its name; undefined when the ending says nothing. */
export function kindOf(path: string): FileKind | undefined {
  const name = basename(path).toLowerCase()
  const ending = name.endsWith('.gz') ? extname(name.slice(0, -3)) + '.gz' : extname(name)
  return KINDS[ending]
}
