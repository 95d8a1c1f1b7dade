import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { SerotineError } from '@serotine/core'

export type FileKind = 'text' | 'markdown' | 'html' | 'pdf' | 'docx' | 'jsonl'

export interface FoundFile {
  /** Absolute path. */
  readonly path: string
  readonly kind: FileKind
  readonly bytes: number
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

const IGNORED_FOLDERS = new Set(['node_modules'])

export interface WalkOptions {
  /** More file name endings to read as plain text, e.g. `['.ts', '.py']`. */
  extensions?: readonly string[]
  /** Folders left out, absolute (e.g. the index itself). */
  exclude?: readonly string[]
  signal?: AbortSignal
}

export interface Walk {
  readonly files: FoundFile[]
  /** Files inside the folders whose ending is not supported. */
  readonly otherFiles: number
}

/**
 * Finds the texts in files and folders, sorted by path, each once. Inside folders, `node_modules`, names that
 * start with a dot and linked folders are left out; a file named directly is always taken, as plain text if its ending
 * is unknown.
 *
 * @throws INPUT_FORMAT when a path does not exist
 */
export async function findFiles(paths: readonly string[], options: WalkOptions = {}): Promise<Walk> {
  const extra = new Set(
    (options.extensions ?? []).map((ending) => (ending.startsWith('.') ? ending : `.${ending}`).toLowerCase()),
  )
  const exclude = new Set(options.exclude)
  const found = new Map<string, FoundFile>()
  let otherFiles = 0

  const visitFolder = async (folder: string): Promise<void> => {
    options.signal?.throwIfAborted()
    const entries = await readdir(folder, { withFileTypes: true })
    for (const entry of entries) {
      if (entry.name.startsWith('.') || IGNORED_FOLDERS.has(entry.name)) continue
      const path = join(folder, entry.name)
      if (exclude.has(path)) continue
      if (entry.isDirectory()) await visitFolder(path)
      else if (entry.isFile() || entry.isSymbolicLink()) await visitEntry(path, entry.isSymbolicLink())
    }
  }
  const visitEntry = async (path: string, isLink: boolean): Promise<void> => {
    const kind = kindOf(path) ?? (extra.has(extname(path).toLowerCase()) ? 'text' : undefined)
    // Linked folders could lead in circles, and a dangling link is no document.
    const info = kind || isLink ? await stat(path).catch(() => undefined) : undefined
    if (isLink && !info?.isFile()) return
    if (kind && info) found.set(path, { path, kind, bytes: info.size, ...(found.get(path)?.named && { named: true }) })
    else otherFiles++
  }

  for (const given of paths) {
    const path = resolve(given)
    const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
      throw new SerotineError(
        'INPUT_FORMAT',
        `${given} cannot be read (${cause.code ?? cause.message}). Check the path.`,
        { cause },
      )
    })
    if (info.isDirectory()) await visitFolder(path)
    else found.set(path, { path, kind: kindOf(path) ?? 'text', bytes: info.size, named: true })
  }
  const files = [...found.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  return { files, otherFiles }
}

/** How a file is read, by its name; undefined when the ending says nothing. */
export function kindOf(path: string): FileKind | undefined {
  const name = basename(path).toLowerCase()
  const ending = name.endsWith('.gz') ? extname(name.slice(0, -3)) + '.gz' : extname(name)
  return KINDS[ending]
}
