import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SerotineError } from '../../errors.js'

/** The files of a benchmark folder, two levels deep: enough to tell the layouts apart. */
export interface FolderContents {
  readonly folder: string
  /** Paths inside the folder, with `/`, sorted. */
  readonly names: readonly string[]
  /** Whether there is `<name>.jsonl` or a folder `<name>` with JSON lines (or judgments as TSV) in it. */
  has(name: string): boolean
  readonly parquet: boolean
}

const JSON_LINES = /\.jsonl(\.gz)?$/

/** @throws INPUT_FORMAT when the folder cannot be read */
export async function folderContents(folder: string): Promise<FolderContents> {
  const names: string[] = []
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue
      if (!entry.isDirectory()) names.push(entry.name)
      else for (const name of await readdir(join(folder, entry.name))) names.push(`${entry.name}/${name}`)
    }
  } catch (cause) {
    throw new SerotineError('INPUT_FORMAT', `${folder} cannot be read: ${(cause as Error).message}`, { cause })
  }
  names.sort()
  const data = names.filter((name) => JSON_LINES.test(name) || /\.tsv(\.gz)?$/.test(name))
  return {
    folder,
    names,
    has: (name) => data.some((path) => path.startsWith(`${name}/`) || path.replace(JSON_LINES, '') === name),
    parquet: names.some((name) => name.endsWith('.parquet')),
  }
}

/** Full paths of `<name>.jsonl` or of the JSON lines in the folder `<name>`, in order. */
export function jsonlFiles({ folder, names }: FolderContents, name: string): string[] {
  return names
    .filter((path) => JSON_LINES.test(path) && (path.startsWith(`${name}/`) || path.replace(JSON_LINES, '') === name))
    .map((path) => join(folder, path))
}

/** `test` of `test.jsonl.gz` and of `test-00000-of-00002.jsonl`. */
export function partName(file: string): string {
  return basename(file)
    .replace(JSON_LINES, '')
    .replace(/-\d+-of-\d+$/, '')
}
