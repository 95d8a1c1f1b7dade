import type { Command } from 'commander'
import { MultiVectorIndex, SerotineError } from '@serotine/core'
import type { RepairResult } from '@serotine/core'
import { verifyIndex } from '@serotine/core/store'
import type { VerifyReport } from '@serotine/core/store'
import { createCommand, runWith } from '../../command.js'
import type { CommonValues, Context } from '../../command.js'
import { DEFAULT_INDEX, requireIndex } from '../../index-record.js'
import { counted, fileSize } from '../../output/numbers.js'
import { isAddress, openIndexAt, shownPlace } from '../../store-address.js'
import { formatTable } from '../../output/table.js'

interface Values extends CommonValues {
  json?: boolean
  repair?: boolean
}

/** Problems printed one by one; there may be as many as passages. */
const SHOWN = 20

export function verifyCommand(): Command {
  return createCommand('verify', {
    summary: 'look for damage in an index',
    description:
      'Reads every byte of an index and compares checksums. The exit code is 0 when all is well, and 1 when something is damaged.',
    examples: [
      ['serotine verify', `the index in ./${DEFAULT_INDEX}`],
      ['serotine verify ./birds --repair', 'and give up what cannot be read'],
    ],
  })
    .argument('[index]', 'folder of the index', DEFAULT_INDEX)
    .option('--repair', 'give up what cannot be read; "serotine index" makes it again')
    .option('--json', 'one JSON object on standard output')
    .action((folder: string, values: Values) => runWith(values, (context) => verify(context, folder, values)))
}

async function verify({ terminal, signal }: Context, folder: string, values: Values): Promise<void> {
  requireIndex(folder)
  if (isAddress(folder)) return verifyAt({ terminal, signal }, folder, values)
  let report = await verifyIndex(folder, { signal })
  const damaged = report.problems.length
  let repaired: RepairResult | undefined
  if (values.repair && damaged > 0) {
    const index = await MultiVectorIndex.open(folder, { create: false })
    try {
      repaired = await index.repair({ signal })
    } finally {
      await index.close()
    }
    report = await verifyIndex(folder, { signal })
  }
  const { sections, problems } = report
  if (values.json) {
    const { incomplete } = repaired ?? {}
    await terminal.out(`${JSON.stringify({ index: folder, sections, problems, ...(incomplete && { incomplete }) })}\n`)
  } else {
    await terminal.out(tableOf(report, terminal.colors))
    for (const { message } of problems.slice(0, SHOWN)) terminal.warn(message)
    if (problems.length > SHOWN) terminal.warn(`${counted(problems.length - SHOWN, 'more problem')}; --json lists all.`)
  }
  const { green, bold } = terminal.errColors
  if (problems.length > 0) {
    const remedy = values.repair
      ? 'Restore the files named from a copy, or build it with --rebuild.'
      : 'Run "serotine index" with the same paths: it makes damaged passages again. --repair gives up what cannot be read.'
    throw new SerotineError('INDEX_CORRUPT', `${folder} has ${counted(problems.length, 'problem')}. ${remedy}`)
  }
  const all = counted(sections.length, 'file')
  if (!repaired) return terminal.note(`${green('✓')} ${bold(folder)} is as it was written: ${all}`)
  const left = repaired.incomplete.length
  const again = left > 0 ? ` ${counted(left, 'passage')} incomplete: run "serotine index" with the same paths.` : ''
  terminal.note(`${green('✓')} ${bold(folder)} is repaired.${again}`)
}

/** What a database looks for is the documents: all there, and all found by searches. */
async function verifyAt({ terminal, signal }: Context, address: string, values: Values): Promise<void> {
  const place = shownPlace(address)
  const index = await openIndexAt(address, { readonly: values.repair !== true })
  try {
    const repaired = values.repair ? await index.repair({ signal }) : undefined
    const problems = await index.verify({ signal })
    if (values.json) {
      const { incomplete } = repaired ?? {}
      await terminal.out(`${JSON.stringify({ index: place, problems, ...(incomplete && { incomplete }) })}\n`)
    }
    for (const { message } of problems.slice(0, SHOWN)) terminal.warn(message)
    if (problems.length > 0) {
      const remedy = values.repair ? 'Write these documents again.' : '--repair mends what can be mended.'
      throw new SerotineError('INDEX_CORRUPT', `${place} has ${counted(problems.length, 'problem')}. ${remedy}`)
    }
    const { green, bold } = terminal.errColors
    terminal.note(`${green('✓')} ${bold(place)} is as it was written: ${counted(await index.count(), 'passage')}`)
  } finally {
    await index.close()
  }
}

function tableOf({ sections }: VerifyReport, colors: Context['terminal']['colors']): string {
  const rows = sections.map(({ file, section, bytes, isIntact, damaged }) => [
    file,
    section,
    bytes > 0 ? fileSize(bytes) : '',
    isIntact ? 'intact' : damaged > 0 ? counted(damaged, 'damaged passage') : 'damaged',
  ])
  return formatTable(['file', 'holds', 'size', 'state'], rows, colors)
}
