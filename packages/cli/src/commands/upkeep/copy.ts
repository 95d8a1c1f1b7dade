import type { Command } from 'commander'
import { SerotineError } from '@serotine/core'
import { EmbeddedStore, copyCollection } from '@serotine/core/store'
import type { CopyResult, Store } from '@serotine/core/store'
import { createCommand, runWith } from '../../command.js'
import type { CommonValues, Context } from '../../command.js'
import { readRecord, requireIndex, writeRecord } from '../../index-record.js'
import { parseInteger } from '../../option-values.js'
import { count, counted, duration } from '../../output/numbers.js'
import { startProgress } from '../../output/progress.js'
import { warnOnce } from '../../model.js'
import { isAddress, openStoreAt, shownPlace } from '../../store-address.js'

interface Values extends CommonValues {
  prune?: boolean
  compare?: number
  json?: boolean
}

/** Damaged passages named one by one. */
const SHOWN = 20

export function copyCommand(): Command {
  return createCommand('copy', {
    summary: 'copy an index to another place, without encoding again',
    description:
      'Copies passages with the vectors they have, from a folder or a database to another. What is there already is left alone: a copy that was interrupted ' +
      'goes on, and one that is repeated copies what is new. At the end everything is compared.',
    examples: [
      ['serotine copy .serotine postgres://localhost/app', 'into PostgreSQL'],
      ['serotine copy .serotine postgres://localhost/app --prune', 'and take away what is gone'],
      ['serotine copy postgres://localhost/app ./birds', 'and back'],
    ],
  })
    .argument('<from>', 'folder or address of the index')
    .argument('<to>', 'folder or address; made when it is not there')
    .option('--prune', 'delete there what is not here')
    .option('--compare <n>', 'passages whose vectors are read back at the end (default: 1000)', (text) =>
      parseInteger(text, 0),
    )
    .option('--json', 'print what was done as JSON')
    .action((from: string, to: string, values: Values) => runWith(values, (context) => copy(context, from, to, values)))
}

async function copy(context: Context, from: string, to: string, values: Values): Promise<void> {
  const { terminal, signal } = context
  const started = performance.now()
  requireIndex(from)
  const record = isAddress(from) ? undefined : await readRecord(from)
  const bar = startProgress(terminal, 'Copying')
  const source = await open(context, from, true)
  let target: Store | undefined
  let result: CopyResult
  try {
    target = await open(context, to, false)
    result = await copyCollection(source, target, {
      signal,
      ...(values.prune !== undefined && { prune: values.prune }),
      ...(values.compare !== undefined && { compare: values.compare }),
      onProgress: ({ done, total }) => bar.update(total ? done / total : undefined, counted(done, 'passage')),
    })
    await target.prepare?.({
      signal,
      onProgress: ({ done, total }) =>
        bar.update(total ? done / total : undefined, `${counted(done, 'passage')} made ready for searches`),
    })
  } catch (error) {
    if (signal.aborted && target) {
      bar.stop()
      terminal.note(
        `${shownPlace(to)} keeps ${counted(await target.count(), 'passage')}; run the same command again to continue.`,
      )
    }
    throw error
  } finally {
    bar.stop()
    await Promise.all([source.close(), target?.close()])
  }
  if (record && !isAddress(to)) await writeRecord(to, record)
  const seconds = Number(((performance.now() - started) / 1000).toFixed(3))
  if (values.json)
    await terminal.out(`${JSON.stringify({ from: shownPlace(from), to: shownPlace(to), ...result, seconds })}\n`)
  report(context, shownPlace(to), result, seconds)
  if (result.damaged.length > 0) {
    throw new SerotineError(
      'INDEX_CORRUPT',
      `${counted(result.damaged.length, 'passage')} of ${shownPlace(from)} cannot be read and are not in the copy; all others are. serotine verify says more.`,
    )
  }
}

async function open(context: Context, where: string, readonly: boolean): Promise<Store> {
  const options = { readonly, onWarning: warnOnce(context) }
  return isAddress(where) ? openStoreAt(where, options) : EmbeddedStore.open(where, options)
}

function report({ terminal }: Context, place: string, result: CopyResult, seconds: number): void {
  const { green, bold, dim } = terminal.errColors
  const { documents, copied, unchanged, removed, extra, compared, damaged } = result
  const words = [
    [copied, 'copied'],
    [unchanged, 'there before'],
    [removed, 'removed'],
    [extra, 'there only (--prune removes them)'],
  ] as const
  const changes = words.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`)
  terminal.note(
    `${green('✓')} ${bold(place)} holds ${counted(documents, 'passage')} of it: ${changes.join(', ') || 'nothing to copy'}`,
  )
  terminal.note(
    dim(
      `  ${duration(seconds * 1000)}; ids, texts, metadata and hashes compared, and the vectors of ${count(compared)}`,
    ),
  )
  for (const id of damaged.slice(0, SHOWN)) terminal.warn(`${JSON.stringify(id)} cannot be read.`)
}
