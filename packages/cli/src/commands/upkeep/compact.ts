import type { Command } from 'commander'
import { createCommand, runWith } from '../../command.js'
import type { CommonValues, Context } from '../../command.js'
import { DEFAULT_INDEX, requireIndex } from '../../index-record.js'
import { counted, fileSize } from '../../output/numbers.js'
import { openIndexAt, shownPlace } from '../../store-address.js'

interface Values extends CommonValues {
  json?: boolean
}

export function compactCommand(): Command {
  return createCommand('compact', {
    summary: 'free the space of removed passages',
    description: 'Rewrites the files of an index without what was removed or replaced. Others may search it meanwhile.',
    examples: [
      ['serotine compact', `the index in ./${DEFAULT_INDEX}`],
      ['serotine compact ./birds --json', 'and what was freed as JSON'],
    ],
  })
    .argument('[index]', 'folder of the index', DEFAULT_INDEX)
    .option('--json', 'one JSON object on standard output')
    .action((folder: string, values: Values) => runWith(values, (context) => compact(context, folder, values)))
}

async function compact({ terminal, signal }: Context, folder: string, values: Values): Promise<void> {
  requireIndex(folder)
  const index = await openIndexAt(folder, { create: false })
  try {
    const before = await index.stats()
    await index.compact({ signal })
    const { bytes } = await index.stats()
    const freed = before.bytes.total - bytes.total
    if (values.json) {
      await terminal.out(
        `${JSON.stringify({ index: shownPlace(folder), removed: before.deleted, freed, bytes: bytes.total })}\n`,
      )
    }
    const { green, bold } = terminal.errColors
    terminal.note(
      `${green('✓')} ${bold(shownPlace(folder))} takes ${fileSize(bytes.total)}: ${fileSize(freed)} of ${counted(before.deleted, 'removed passage')} freed`,
    )
  } finally {
    await index.close()
  }
}
