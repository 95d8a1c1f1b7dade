import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import ignore from 'ignore'
import type { Ignore } from 'ignore'

// As Git decides by default on these systems.
const ignorecase = process.platform === 'win32' || process.platform === 'darwin'

/** The rules of some `.gitignore` files, the nearer winning. */
export interface IgnoreRules {
  /** What says that a file or folder below is ignored, as `path:line`; undefined when nothing does. */
  ignoredBy(path: string, isFolder: boolean): string | undefined
  /** The same with those of one more folder, further in. */
  inside(folder: string): Promise<IgnoreRules>
}

/**
 * The rules that hold around a folder that is to be read: in a Git repository those of `.git/info/exclude` and of the folders from
 * the repository down. Where these ignore the folder it is read all the same, by its own rules alone: it was asked for.
 *
 * @param onUnreadable a `.gitignore` that cannot be read
 */
export async function rulesFor(
  folder: string,
  onUnreadable: (path: string, error: NodeJS.ErrnoException) => void,
): Promise<IgnoreRules> {
  const repository = repositoryOf(folder)
  let rules = await rulesBelow(repository ?? folder, onUnreadable, repository)
  for (let at = repository ?? folder; at !== folder;) {
    rules = await rules.inside(at)
    at = join(at, relative(at, folder).split(sep)[0]!)
    if (rules.ignoredBy(at, true) !== undefined) return rulesBelow(folder, onUnreadable, undefined)
  }
  return rules
}

function repositoryOf(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at
    if (dirname(at) === at) return undefined
  }
}

async function rulesBelow(
  top: string,
  onUnreadable: (path: string, error: NodeJS.ErrnoException) => void,
  repository: string | undefined,
): Promise<IgnoreRules> {
  const base = ignore({ ignorecase })
  if (repository !== undefined)
    base.add(
      marked(await readRules(join(repository, '.git', 'info', 'exclude'), onUnreadable), '', '.git/info/exclude'),
    )
  const rulesOf = (rules: Ignore): IgnoreRules => ({
    ignoredBy: (path, isFolder) => {
      const name = relative(top, path).split(sep).join('/')
      return rules.test(isFolder ? `${name}/` : name).rule?.mark
    },
    inside: async (folder) => {
      const file = join(folder, '.gitignore')
      const lines = await readRules(file, onUnreadable)
      const own = marked(lines, relative(top, folder).split(sep).join('/'), relativeName(file))
      return rulesOf(ignore({ ignorecase }).add(rules).add(own))
    },
  })
  return rulesOf(base)
}

async function readRules(
  file: string,
  onUnreadable: (path: string, error: NodeJS.ErrnoException) => void,
): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\ufeff/, '').split(/\r?\n/)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // ENOTDIR: in a worktree or submodule `.git` is a file. A folder of that name says nothing, to Git neither.
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EISDIR') onUnreadable(file, error as NodeJS.ErrnoException)
    return []
  }
}

/** Rules of a folder below the top, as rules of the top. */
function marked(lines: readonly string[], folder: string, file: string): { pattern: string; mark: string }[] {
  return lines.flatMap((line, i) => {
    if (line.startsWith('#') || line.trim() === '') return []
    return [{ pattern: below(folder, line), mark: `${file}:${i + 1}` }]
  })
}

function below(folder: string, pattern: string): string {
  if (folder === '') return pattern
  const negated = pattern.startsWith('!')
  const own = negated ? pattern.slice(1) : pattern
  const base = `/${folder.replace(/[\\*?[\]]/g, '\\$&')}`
  // With a slash before its end a pattern is about that very folder, otherwise about everything below it.
  const rule = isAnchored(own) ? `${base}/${own.replace(/^\//, '')}` : `${base}/**/${own}`
  return negated ? `!${rule}` : rule
}

function isAnchored(pattern: string): boolean {
  return pattern
    .replace(/^!/, '')
    .replace(/\/\s*$/, '')
    .includes('/')
}

function relativeName(path: string): string {
  const name = relative(process.cwd(), path)
  return (name.startsWith('..') ? path : name).split(sep).join('/')
}

/**
 * What `--exclude` leaves out: patterns as in a `.gitignore` of each folder named; those with a slash inside also as in one of
 * the current folder, since that is how paths are typed.
 *
 * @returns the pattern that leaves a path out, given the folder named that it was found in
 */
export function excludedBy(
  patterns: readonly string[],
): (path: string, isFolder: boolean, from?: string) => string | undefined {
  if (patterns.length === 0) return () => undefined
  const typed = patterns.map((pattern) => pattern.replace(/^\.\//, '/'))
  const inside = ignore({ ignorecase }).add(typed.map((pattern) => ({ pattern })))
  const fromHere = ignore({ ignorecase }).add(typed.filter(isAnchored).map((pattern) => ({ pattern })))
  // A whole path, as a shell completes it, is meant as one.
  const whole = new Map(patterns.filter((pattern) => isAbsolute(pattern)).map((pattern) => [resolve(pattern), pattern]))
  const test = (rules: Ignore, path: string, isFolder: boolean, from: string): string | undefined => {
    const name = relative(from, path).split(sep).join('/')
    if (!ignore.isPathValid(name)) return undefined
    return rules.test(isFolder ? `${name}/` : name).rule?.pattern
  }
  return (path, isFolder, from) =>
    whole.get(path) ??
    (from === undefined ? undefined : test(inside, path, isFolder, from)) ??
    test(fromHere, path, isFolder, process.cwd())
}
