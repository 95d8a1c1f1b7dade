import type { Command } from 'commander'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { Context } from '../command.js'
import { DEFAULT_INDEX } from '../index-record.js'
import {
  ENCODING_OPTIONS,
  INDEX_OPTIONS,
  MODEL_OPTIONS,
  OVERRIDE_OPTIONS,
  addOptions,
  addReadingOptions,
} from '../options.js'
import { parseInteger } from '../option-values.js'
import { counted } from '../output/numbers.js'
import { openFollowed } from '../watch/open.js'
import type { FollowValues } from '../watch/open.js'
import { LookReport } from '../watch/report.js'

interface Values extends FollowValues {
  out: string
  json?: boolean
}

export function watchCommand(): Command {
  const command = createCommand('watch', {
    summary: 'keep an index up to date while files change',
    description:
      'Indexes files and folders as `serotine index` does, then follows them: what is changed, added, renamed and removed is in the index moments later. ' +
      'A file is read when it is no longer being written, and its passages are replaced in one step. Ctrl-C ends it; the next run catches up.',
    examples: [
      ['serotine watch ./docs', 'into ./.serotine'],
      ['serotine watch ./docs README.md --out ./birds', 'into another folder'],
      ['serotine watch /mnt/share --poll 10', 'a network drive, which reports nothing'],
    ],
  })
    .argument('<paths...>', 'files and folders')
    .option('-o, --out <folder>', 'folder of the index', DEFAULT_INDEX)
    .option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: as before, or micro)')
    .option('--poll <seconds>', 'look every so often instead of waiting for the system’s reports', (text) =>
      parseInteger(text, 1),
    )
  addReadingOptions(command).option('--json', 'print each change as a JSON line')
  addOptions(command, INDEX_OPTIONS, GROUPS.index)
  addOptions(command, ENCODING_OPTIONS, GROUPS.encoding)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((paths: string[], values: Values) =>
    runWith(values, (context) => watchTexts(context, paths, values)),
  )
}

async function watchTexts(context: Context, paths: readonly string[], values: Values): Promise<void> {
  const { terminal, signal } = context
  const { out: folder } = values
  const texts = await openFollowed(context, paths, folder, values)
  try {
    const report = new LookReport(terminal, values.json === true)
    const { green, bold } = terminal.errColors
    const first = await texts.look()
    report.tell(first)
    const what = `${counted(await texts.index.count(), 'passage')} of ${counted(first.files, 'file')}`
    terminal.note(`${green('✓')} ${bold(folder)} holds ${what}, and follows ${paths.join(', ')}`)
    await texts.follow(report, signal)
    terminal.note('ending')
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await texts.close()
  }
}
