import type { Command } from 'commander'
import { resolveCheckpoint } from '@serotine/core/checkpoint'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { downloadBar, warnOnce } from '../model.js'
import { MODEL_OPTIONS, addOptions, pickOptions } from '../options.js'

/** What `resolveCheckpoint` takes of the model's options. */
const RESOLVE = new Set(['revision', 'token', 'cacheDir', 'offline', 'endpoint'])
export const DOWNLOAD_OPTIONS = MODEL_OPTIONS.filter(({ name }) => RESOLVE.has(name))

interface Values extends CommonValues {
  json?: boolean
}

export function downloadCommand(): Command {
  const command = createCommand('download', {
    summary: 'fetch a model from the Hugging Face Hub',
    description: 'Fetches a model into the Hub cache, the same one Python uses, and prints its folder.',
    examples: [
      ['serotine download mixedbread-ai/mxbai-edge-colbert-v0-17m', ''],
      ['cp -RL "$(serotine download org/name)" ./model', 'for a machine without network'],
    ],
  })
    .argument('<model>', 'Hub id, e.g. org/name')
    .option('--json', 'print name, folder and revision as JSON')
  addOptions(command, DOWNLOAD_OPTIONS, GROUPS.model)
  return command.action((model: string, values: Values) =>
    runWith(values, (context) => download(context, model, values)),
  )
}

async function download(context: Context, model: string, values: Values): Promise<void> {
  const bar = downloadBar(context, model)
  try {
    const { name, folder, revision } = await resolveCheckpoint(model, {
      ...pickOptions(values as Record<string, unknown>, DOWNLOAD_OPTIONS),
      signal: context.signal,
      onProgress: bar.onProgress,
      onWarning: warnOnce(context),
    })
    bar.stop()
    await context.terminal.out(
      values.json ? `${JSON.stringify({ name, folder, ...(revision && { revision }) })}\n` : `${folder}\n`,
    )
  } finally {
    bar.stop()
  }
}
