import { z } from 'zod'
import { SerotineError } from '@serotine/core'
import { HttpError } from '../../http/errors.js'
import { defineTool } from '../tool.js'
import type { FolderIndexing, IndexedFolder, Tool } from '../tool.js'

/** Between words that work goes on. */
const PROGRESS_MS = 2_000

/** Brings an index up to date with a folder that the operator named. No path of a request is looked at: it chooses among names. */
export function indexFolderTool({ folders, run }: FolderIndexing): Tool {
  const [first, ...others] = folders
  const folder = z.enum(
    [first!, ...others],
    `it must be one of ${folders.map((name) => JSON.stringify(name)).join(', ')}`,
  )
  let running: Promise<IndexedFolder> | undefined
  return defineTool({
    name: 'index_folder',
    title: 'Index a folder',
    description:
      'Brings the index up to date with the files of a folder: new and changed files are read, passages of files that are gone are removed. ' +
      'Call it when search misses something that was written a moment ago.',
    input: z.strictObject({
      folder: (others.length === 0 ? folder.default(first!) : folder).meta({ description: 'which folder' }),
    }),
    output: z.object({
      index: z.string(),
      files: z.int(),
      passages: z.int().meta({ description: 'that the index holds now' }),
      added: z.int(),
      updated: z.int(),
      unchanged: z.int(),
      removed: z.int(),
      skipped: z.array(z.string()),
    }),
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    isLong: true,
    handle: async ({ folder: asked }, { signal, progress }) => {
      if (running) {
        throw new HttpError(
          429,
          'TOO_MANY_REQUESTS',
          'A folder is being indexed already. Call again when that has ended.',
        )
      }
      const started = performance.now()
      const timer = setInterval(() => {
        const seconds = Math.round((performance.now() - started) / 1000)
        progress(seconds, `indexing ${asked} for ${seconds} s`)
      }, PROGRESS_MS)
      try {
        running = run(asked, { signal })
        const done = await running.catch(told)
        const { index, files, passages, added, updated, unchanged, removed, skipped } = done
        const lines = [
          `${index} holds ${passages} passages of ${files} files: ${added} added, ${updated} changed, ${unchanged} unchanged, ${removed} removed.`,
          ...skipped,
        ]
        return { text: lines.join('\n'), content: { ...done, skipped: [...skipped] } }
      } finally {
        running = undefined
        clearInterval(timer)
      }
    },
  })
}

/** What the folder's own operator may know, such as a lock that another process has. @throws HttpError 409 */
function told(error: unknown): never {
  throw SerotineError.isInstance(error) ? new HttpError(409, error.code, error.message) : error
}
