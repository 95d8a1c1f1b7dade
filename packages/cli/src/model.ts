import { availableParallelism } from 'node:os'
import { ColBERT } from '@serotine/core'
import type { EncodeOptions, Encoder, LoadOptions, OnWarning, Progress, Truncation } from '@serotine/core'
import type { Context } from './command.js'
import { ENCODING_OPTIONS, MODEL_OPTIONS, OVERRIDE_OPTIONS, pickOptions } from './options.js'
import { count, counted, fileSize } from './output/numbers.js'
import { startProgress } from './output/progress.js'
import { readProjection } from './input/projection.js'

/** Loads the model that a command's flags describe, with a bar while it downloads. */
export async function loadModel(
  context: Context,
  model: string | undefined,
  values: Readonly<Record<string, unknown>>,
  onWarning = warnOnce(context),
): Promise<ColBERT> {
  const { projection, ...options } = pickOptions(values, [...MODEL_OPTIONS, ...OVERRIDE_OPTIONS])
  const bar = downloadBar(context, model)
  try {
    return await ColBERT.load(model, {
      ...(options as LoadOptions),
      ...(projection !== undefined && { projection: readProjection(projection as string) }),
      signal: context.signal,
      onWarning,
      onProgress: bar.onProgress,
    })
  } finally {
    bar.stop()
  }
}

/** Bytes of text from which it pays to start worker threads. */
const MUCH = 1_000_000
const MOST_WORKERS = 8

/** Settings for encoding much at once: one worker thread per core, unless the flags say otherwise. */
export function forMuch(settings: Readonly<Record<string, unknown>>, bytes: number): Record<string, unknown> {
  if (settings.workers !== undefined || settings.threads !== undefined || bytes < MUCH) return { ...settings }
  return { ...settings, workers: Math.min(availableParallelism(), MOST_WORKERS) }
}

/** Draws `download` progress; nothing is shown until a download starts. */
export function downloadBar(
  context: Context,
  model: string | undefined,
): { onProgress: (progress: Progress) => void; stop: () => void } {
  let bar: ReturnType<typeof startProgress> | undefined
  return {
    onProgress: ({ phase, done, total, file }) => {
      if (phase !== 'download') return
      bar ??= startProgress(context.terminal, `Downloading ${model ?? ''}`.trim())
      bar.update(
        total ? done / total : undefined,
        [file, `${fileSize(done)}${total ? ` of ${fileSize(total)}` : ''}`].filter(Boolean).join(' · '),
      )
    },
    stop: () => bar?.stop(),
  }
}

/** Prints each kind of warning once: a thousand batches with a long text in each need one line. */
export function warnOnce(context: Context): OnWarning {
  const seen = new Set<string>()
  return ({ code, message }) => {
    if (seen.has(code)) return
    seen.add(code)
    context.terminal.warn(message)
  }
}

/** The same, but texts that were cut are added up over all batches, and told when all are read. */
export function warnAtEnd(context: Context): { onWarning: OnWarning; tell: () => void } {
  const cuts = new Map<Truncation['kind'], Truncation>()
  const others = warnOnce(context)
  return {
    onWarning: (warning) => {
      const { truncated } = warning
      if (!truncated) return others(warning)
      const before = cuts.get(truncated.kind)
      cuts.set(truncated.kind, before ? addCuts(before, truncated) : truncated)
    },
    tell: () => cuts.forEach((sum) => context.terminal.warn(cutMessage(sum))),
  }
}

function addCuts(a: Truncation, b: Truncation): Truncation {
  return { ...b, cut: a.cut + b.cut, texts: a.texts + b.texts, longest: Math.max(a.longest, b.longest) }
}

function cutMessage({ kind, cut, texts, length, longest }: Truncation): string {
  const of = kind === 'query' ? counted(texts, 'query', 'queries') : counted(texts, 'document')
  return (
    `${count(cut)} of ${of} did not fit ${length} tokens; up to ${count(longest)} tokens were left out. ` +
    `Split the texts, or raise --${kind}-length.`
  )
}

/** The encoding options among a command's flags. */
export function encodeOptions(values: Readonly<Record<string, unknown>>): EncodeOptions {
  return pickOptions(values, ENCODING_OPTIONS) as EncodeOptions
}

/**
 * A model that encodes with options of its own. Those for documents become part of its fingerprint, since an index must
 * not mix vectors made with different ones.
 */
export function withEncodeOptions(model: ColBERT, own: { query: EncodeOptions; document: EncodeOptions }): Encoder {
  const fixed = Object.entries(own.document).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    dim: model.dim,
    name: model.name,
    fingerprint: fixed.length === 0 ? model.fingerprint : `${model.fingerprint}:${JSON.stringify(fixed)}`,
    encodeQueries: (texts, options) => model.encodeQueries(texts, { ...own.query, ...options }),
    encodeDocuments: (texts, options) => model.encodeDocuments(texts, { ...own.document, ...options }),
  }
}
