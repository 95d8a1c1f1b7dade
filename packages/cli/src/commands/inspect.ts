import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { readCheckpoint, resolveCheckpoint } from '@serotine/core/checkpoint'
import type { IndexStats, Warning } from '@serotine/core'
import type { ColBERTConfig, ConfigOverrides } from '@serotine/core/checkpoint'
import type { FirstStageStats } from '@serotine/core/store'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { DEFAULT_INDEX, readRecord, requireIndex, rootOf } from '../index-record.js'
import type { IndexRecord } from '../index-record.js'
import { readProjection } from '../input/projection.js'
import { downloadBar } from '../model.js'
import { OVERRIDE_OPTIONS, addOptions, pickOptions } from '../options.js'
import { count, counted, fileSize } from '../output/numbers.js'
import { formatPairs } from '../output/table.js'
import { isAddress, openIndexAt, shownPlace } from '../store-address.js'
import { DOWNLOAD_OPTIONS } from './download.js'

interface Values extends CommonValues {
  json?: boolean
}

export function inspectCommand(): Command {
  const command = createCommand('inspect', {
    summary: 'show what a model or an index is',
    description: 'Shows how a model is put together and what it does to texts, or what an index holds.',
    examples: [
      ['serotine inspect', `the index in ./${DEFAULT_INDEX}`],
      ['serotine inspect ./my-colbert', 'a model’s folder'],
      ['serotine inspect mixedbread-ai/mxbai-edge-colbert-v0-17m --json', 'a model on the Hub'],
      ['serotine inspect micro', 'the embedded model'],
    ],
  })
    .argument('[model-or-index]', 'folder, Hub id, micro or small', DEFAULT_INDEX)
    .option('--json', 'one JSON object on standard output')
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, DOWNLOAD_OPTIONS, GROUPS.model)
  return command.action((target: string, values: Values) =>
    runWith(values, (context) =>
      target === DEFAULT_INDEX || isAddress(target) || existsSync(join(target, 'manifest.json'))
        ? inspectIndex(context, target, values)
        : inspectModel(context, target, values),
    ),
  )
}

async function inspectModel(context: Context, target: string, values: Values): Promise<void> {
  const { terminal } = context
  const settings = values as Record<string, unknown>
  const bar = downloadBar(context, target)
  const warnings: Warning[] = []
  const resolved = await resolveCheckpoint(target, {
    ...pickOptions(settings, DOWNLOAD_OPTIONS),
    signal: context.signal,
    onProgress: bar.onProgress,
    onWarning: (warning) => warnings.push(warning),
  }).finally(() => bar.stop())
  const { projection, ...overrides } = pickOptions(settings, OVERRIDE_OPTIONS)
  const { config, folder, fingerprint } = await readCheckpoint(
    resolved.folder,
    {
      ...(overrides as ConfigOverrides),
      ...(projection !== undefined && { projection: readProjection(projection as string) }),
    },
    (warning) => warnings.push(warning),
  )
  const bytes = await folderSize(folder)
  if (values.json) {
    const { name, revision } = resolved
    await terminal.out(
      `${JSON.stringify({ kind: 'model', name, folder, ...(revision && { revision }), bytes, fingerprint, config, warnings })}\n`,
    )
    return
  }
  const { bold } = terminal.colors
  await terminal.out(`${bold(resolved.name)}\n`)
  await terminal.out(
    formatPairs(
      [
        ['folder', folder],
        ...(resolved.revision ? [['revision', resolved.revision] as const] : []),
        ['size', fileSize(bytes)],
        ...describeConfig(config),
        ['fingerprint', fingerprint.slice(0, 16)],
      ],
      terminal.colors,
    ),
  )
  for (const { message } of warnings) terminal.warn(message)
}

function describeConfig(config: ColBERTConfig): [string, string][] {
  const { encoder, dense } = config
  const shape =
    encoder.modelType === 'onnx'
      ? `ready-made ONNX (${Object.keys(encoder.files).join(', ')})`
      : `${encoder.modelType === 'bert' ? 'BERT' : 'ModernBERT'}, ${encoder.layers} layers × ${encoder.hiddenSize}, ${encoder.heads} heads, ${count(encoder.vocabSize)} tokens`
  const expansion = !config.doQueryExpansion
    ? 'none'
    : `to ${config.queryLength} tokens, ${config.attendToExpansionTokens ? '' : 'not '}attended to`
  const prompts = Object.entries(config.prompts).filter(([, text]) => text !== '')
  const skiplist = config.skiplistWords.join(' ')
  return [
    ['layout', config.layout],
    ['encoder', shape],
    ...dense.map(({ path, inFeatures, outFeatures, bias, activation, useResidual }): [string, string] => [
      path || 'dense',
      `${inFeatures} → ${outFeatures}${bias ? ' + bias' : ''}${activation === 'identity' ? '' : `, ${activation}`}${useResidual ? ', residual' : ''}`,
    ]),
    ['vectors', `${config.dim} components per token`],
    [
      'queries',
      `${config.queryLength} tokens, prefix ${config.queryPrefix === '' ? 'none' : JSON.stringify(config.queryPrefix)}`,
    ],
    [
      'documents',
      `${config.documentLength} tokens, prefix ${config.documentPrefix === '' ? 'none' : JSON.stringify(config.documentPrefix)}`,
    ],
    ['expansion', expansion],
    ['lower case', config.doLowerCase ? 'yes, before the tokenizer' : 'as the tokenizer does'],
    [
      'skiplist',
      config.skiplistWords.length === 0
        ? 'none'
        : skiplist.length > 70
          ? `${config.skiplistWords.length} words`
          : skiplist,
    ],
    ...(prompts.length > 0
      ? [['prompts', prompts.map(([name, text]) => `${name}: ${JSON.stringify(text)}`).join(', ')] as [string, string]]
      : []),
    ...(config.defaultPromptName ? [['default', config.defaultPromptName] as [string, string]] : []),
  ]
}

async function folderSize(folder: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(folder, { recursive: true })) {
    const info = await stat(join(folder, name))
    if (info.isFile()) bytes += info.size
  }
  return bytes
}

async function inspectIndex({ terminal }: Context, folder: string, values: Values): Promise<void> {
  requireIndex(folder)
  const record = await readRecord(folder)
  const index = await openIndexAt(folder, { readonly: true, create: false })
  const stats = await index.stats().finally(() => index.close())
  if (values.json) {
    await terminal.out(
      `${JSON.stringify({ kind: 'index', folder: shownPlace(folder), ...stats, ...(record && { record }) })}\n`,
    )
    return
  }
  const { documents, deleted, tokens, dim, codec, model, firstStage } = stats
  const perDocument = documents > 0 ? `${count(tokens / documents)} per passage, ` : ''
  await terminal.out(`${terminal.colors.bold(shownPlace(folder))}\n`)
  await terminal.out(
    formatPairs(
      [
        [
          'passages',
          `${count(documents)}${deleted > 0 ? ` (and ${count(deleted)} deleted, kept until compaction)` : ''}`,
        ],
        ['token vectors', `${count(tokens)} (${perDocument}${dim ?? '?'} components, ${codec})`],
        ['model', model ? `${model.name} (${model.fingerprint.slice(0, 16)})` : 'none yet'],
        ['on disk', describeBytes(stats)],
        ['search', SEARCHED[firstStage] ?? firstStage],
        ...describeCentroids(stats),
        ...describeFde(stats),
        ['words', describeKeywords(stats)],
        ...(record ? describeRecord(folder, record) : []),
      ],
      terminal.colors,
    ),
  )
}

const SEARCHED: Readonly<Record<string, string>> = {
  exact: 'exact MaxSim of everything',
  centroids: 'centroid scan, then exact MaxSim',
  fde: 'FDE scan, then exact MaxSim',
  hnsw: 'HNSW over FDEs, then exact MaxSim',
}

/** The parts of an index that grow with it. */
const PARTS = {
  tokens: 'vectors',
  texts: 'texts',
  keywords: 'words',
  fde: 'FDEs',
  hnsw: 'HNSW',
  centroids: 'centroid codes',
} as const

function describeBytes({ bytes }: IndexStats): string {
  const { total, ...others } = bytes
  // A database has parts of its own.
  const names = 'tokens' in others ? PARTS : Object.fromEntries(Object.keys(others).map((part) => [part, part]))
  const parts = Object.entries(names).flatMap(([part, name]) => {
    const size = bytes[part]
    return size ? [`${name} ${fileSize(size)}`] : []
  })
  return [fileSize(total), parts.join(', ')].filter(Boolean).join(': ')
}

function describeCentroids({ firstStages, documents }: IndexStats): [string, string][] {
  const { centroids } = firstStages
  if (!centroids) return []
  const { facts } = centroids
  if (facts.centroids === null) return [['centroids', 'not made yet; the next "serotine index" makes them']]
  const shape = `${count(Number(facts.centroids))}, trained at ${count(Number(facts.trainedAt))} tokens`
  return [['centroids', shape], ...covered('centroids', centroids, documents)]
}

function describeFde({ firstStages, documents }: IndexStats): [string, string][] {
  const { fde } = firstStages
  if (!fde) return [['FDE', 'none']]
  const { preset, length, partitioning, prepare } = fde.facts
  if (length === null) return [['FDE', 'not needed yet: few passages are scored exactly']]
  const shape = `${count(Number(length))} numbers${preset === null ? '' : ` (${preset})`}: partitions by ${partitioning}, preparation ${prepare}`
  return [['FDE', shape], ...covered('FDEs', fde, documents)]
}

function describeKeywords({ keywords, documents }: IndexStats): string {
  if (!keywords) return 'not kept, so that --hybrid cannot be asked for'
  const missing = documents - keywords.documents
  const language = keywords.language === 'none' ? 'as they are written' : keywords.language
  return missing > 0
    ? `${language}; those of ${counted(missing, 'passage')} from the next "serotine index" on`
    : language
}

/** What a first stage finds, and how much of the index it does not cover yet. */
function covered(name: string, { suitability, documents }: FirstStageStats, all: number): [string, string][] {
  const lines: [string, string][] = []
  if (documents < all)
    lines.push([`${name} lack`, `${counted(all - documents, 'passage')}, until the next "serotine index"`])
  if (suitability) {
    const share = `${Math.round(suitability.recall * 100)} % of the exact top 10`
    lines.push([`${name} keep`, `${share} (${count(suitability.collection)} documents)`])
  }
  return lines
}

function describeReading({ extensions = [], exclude = [], gitignore = true }: IndexRecord['reading'] = {}): [
  string,
  string,
][] {
  const parts = [
    extensions.length > 0 ? `also ${extensions.join(' ')}` : '',
    exclude.length > 0 ? `without ${exclude.join(' ')}` : '',
    gitignore ? '' : 'what .gitignore leaves out too',
  ].filter(Boolean)
  return parts.length > 0 ? [['read', parts.join(', ')]] : []
}

function describeRecord(folder: string, record: IndexRecord): [string, string][] {
  const { maxTokens, overlap, split } = record.passages
  const how =
    split === false
      ? 'texts kept whole'
      : [maxTokens ? `${maxTokens} tokens` : 'as long as the model takes', overlap ? `overlap ${overlap}` : '']
          .filter(Boolean)
          .join(', ')
  const options = Object.entries(record.options).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return [
    ['sources', `relative to ${rootOf(folder, record)}`],
    ['split', how],
    ...describeReading(record.reading),
    ...(options.length > 0 ? [['options', options.join(' ')] as [string, string]] : []),
  ]
}
