import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SerotineError } from '@serotine/core'
import type { Metadata } from '@serotine/core'
import { createCommand, runWith } from '../../command.js'
import type { CommonValues, Context } from '../../command.js'
import { DEFAULT_INDEX, readRecord, recordFor, requireIndex, rootOf, settleRecord } from '../../index-record.js'
import { inScope } from '../../indexing.js'
import { counted } from '../../output/numbers.js'
import { openIndexAt, shownPlace } from '../../store-address.js'
import { removeLeftovers } from '../../rebuild.js'

interface Values extends CommonValues {
  index: string
  json?: boolean
}

export function removeCommand(): Command {
  return createCommand('remove', {
    summary: 'take files, folders or records out of an index',
    description:
      'Removes passages from an index: those of files, of folders with everything in them, or of ids. The files themselves stay, and may be gone already.',
    examples: [
      ['serotine remove docs/old.md ./drafts', 'all passages of a file and of a folder'],
      ['serotine remove bird-17 "docs/guide.md#2"', 'by id'],
    ],
  })
    .argument('<paths or ids...>', 'paths as indexed, or ids; ./name when a path bears the name of an id')
    .option('-i, --index <folder>', 'folder of the index', DEFAULT_INDEX)
    .option('--json', 'print what was removed as JSON')
    .action((names: string[], values: Values) => runWith(values, (context) => remove(context, names, values)))
}

interface Passage {
  readonly id: string
  readonly source: Metadata[string] | undefined
}

async function remove({ terminal, signal }: Context, names: readonly string[], values: Values): Promise<void> {
  const folder = values.index
  requireIndex(folder)
  const index = await openIndexAt(folder, { create: false })
  try {
    await settleRecord(folder)
    await removeLeftovers(folder)
    const { record } = recordFor(folder, {}, await readRecord(folder))
    const passages: Passage[] = []
    for await (const { id, metadata } of index.scan({ text: false })) passages.push({ id, source: metadata.source })
    // All are found before anything is removed.
    const ids = new Set(names.flatMap((name) => idsOf(name, passages, rootOf(folder, record), folder)))
    signal.throwIfAborted()
    const removed = await index.delete([...ids])
    const { deleted, documents } = await index.stats()
    if (deleted > documents) await index.compact({ signal })
    if (values.json) {
      await terminal.out(`${JSON.stringify({ index: shownPlace(folder), removed, passages: documents })}\n`)
    }
    const { green, bold } = terminal.errColors
    terminal.note(
      `${green('✓')} ${bold(shownPlace(folder))} holds ${counted(documents, 'passage')}: ${counted(removed, 'passage')} removed`,
    )
  } finally {
    await index.close()
  }
}

/** The passages that a name stands for: an id, a record that was cut, a path from here, a path as it was indexed. */
function idsOf(name: string, passages: readonly Passage[], root: string, folder: string): string[] {
  const choices: ((passage: Passage) => boolean)[] = [
    ({ id }) => id === name,
    ({ id, source }) => id.startsWith(`${name}#`) && /^\d+$/.test(id.slice(name.length + 1)) && source !== name,
    ({ source }) => inScope([name], root)(source),
    ({ source }) => inScope([resolve(root, name)], root)(source),
  ]
  for (const isMeant of choices) {
    const found = passages.filter(isMeant)
    if (found.length > 0) return found.map(({ id }) => id)
  }
  throw new SerotineError(
    'INPUT_FORMAT',
    `${folder} has no passage of ${JSON.stringify(name)}; nothing was removed. Give a path as it was indexed, or an id as search shows it with --json.`,
  )
}
