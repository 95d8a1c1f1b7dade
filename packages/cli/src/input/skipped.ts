import { isAbsolute, relative, sep } from 'node:path'

/** Why something was skipped. */
export type SkipReason =
  | 'binary'
  | 'empty'
  | 'bad-line'
  | 'replaced-bytes'
  /** A PDF or DOCX whose package is not installed. */
  | 'no-reader'
  /** It is there but cannot be read, or it is damaged. */
  | 'unreadable'
  /** Its ending is not one that is read. */
  | 'other-kind'
  /** Its name begins with a dot, or it is `node_modules`. */
  | 'hidden'
  /** A `.gitignore` says so. */
  | 'ignored'
  /** The `exclude` option says so. */
  | 'excluded'
  /** A linked folder, or a link to nothing. */
  | 'link'
  /** A pipe, a socket, a device. */
  | 'special'

/** Something that was skipped. */
export interface Skipped {
  readonly reason: SkipReason
  /** As the user would write it: relative to `root`, with `:line` where there is one and `/` after a folder. */
  readonly place: string
  readonly message: string
}

/** A file's name in ids and metadata. */
export function sourceName(path: string, root = process.cwd()): string {
  const name = relative(root, path)
  // On Windows another drive has no relative path.
  return (isAbsolute(name) ? path : name).split(sep).join('/')
}

/** The same for messages, with a slash after a folder. */
export function placeOf(path: string, isFolder: boolean, root?: string): string {
  const name = sourceName(path, root)
  return isFolder ? `${name || '.'}/` : name
}

/** Codes of what is wrong with one file, not with the disk or with this process. */
const OF_THE_FILE = new Set([
  'EACCES',
  'EPERM',
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENXIO',
  'ENODEV',
  'EIO',
  'EINVAL',
  'EBUSY',
  'ESTALE',
  'ETIMEDOUT',
  'EHOSTDOWN',
  'EREMOTEIO',
  'EOVERFLOW',
  'ENOTSUP',
  'UNKNOWN',
  'ERR_FS_FILE_TOO_LARGE',
  'ERR_STRING_TOO_LONG',
  'Z_DATA_ERROR',
  'Z_BUF_ERROR',
])

/** What is wrong with a file that cannot be read; undefined for errors that have nothing to do with this one file. */
export function unreadable(error: unknown, path: string, isFolder: boolean, root?: string): Skipped | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  if (code === undefined || !OF_THE_FILE.has(code)) return undefined
  const place = placeOf(path, isFolder, root)
  // Node gives names that are not UTF-8 with this character, by which nothing can be opened.
  const why =
    code === 'ENOENT' && path.includes('\ufffd')
      ? 'its name is not valid UTF-8; rename it'
      : /^[^,]*/.exec((error as Error).message)![0]
  return { reason: 'unreadable', place, message: `${place} cannot be read (${why})` }
}
