const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied. Choose another place, or change its permissions.',
  EPERM: 'Permission denied. Choose another place, or change its permissions.',
  EROFS: 'The file system is read-only. Choose another place.',
  ENOSPC: 'The disk is full. Free some space and run the same command again.',
  EDQUOT: 'The disk quota is used up. Free some space and run the same command again.',
  EMFILE: 'Too many files are open. Raise the limit (ulimit -n) and run the same command again.',
  ENOENT: 'A folder in this path does not exist. Check the path.',
  ENOTDIR: 'A part of this path is a file, not a folder. Check the path.',
  EISDIR: 'It is a folder; it must be a file.',
  EEXIST: 'Something with this name already exists. Choose another.',
  EIO: 'The disk reports an error. Check the disk before you continue.',
}

/** An error of the operating system that a user can do something about. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && 'syscall' in error && Object.hasOwn(REMEDIES, (error as NodeJS.ErrnoException).code ?? '')
  )
}

export function systemMessage({ path, syscall, code }: NodeJS.ErrnoException): string {
  const what = path === undefined ? 'Reading or writing failed' : `${path} cannot be used`
  return `${what} (${syscall}: ${code}). ${REMEDIES[code!]}`
}
