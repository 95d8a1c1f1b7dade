import { resolve } from 'node:path'
import { SerotineError } from '@serotine/core'
import type { ColBERT, MultiVectorIndex } from '@serotine/core'
import type { Context } from './command.js'
import type { IndexRecord } from './index-record.js'
import type { ReadOptions, TextDocument } from './input/read-texts.js'
import { sourceName } from './input/skipped.js'
import { EXTENSIONS } from './input/walk.js'
import type { FoundFile } from './input/walk.js'
import { encodeOptions, warnOnce, withEncodeOptions } from './model.js'
import { INDEX_OPTIONS, pickOptions } from './options.js'
import { counted } from './output/numbers.js'
import { openIndexAt } from './store-address.js'
import type { Skips } from './output/skips.js'

/** Passes texts on, remembering their ids: whatever else an index holds is gone from the texts. */
export class Tracked {
  readonly ids = new Set<string>()

  async *track(texts: AsyncIterable<TextDocument>): AsyncGenerator<TextDocument> {
    for await (const text of texts) {
      this.ids.add(text.id)
      yield text
    }
  }
}

/** How much of all files is done, in bytes. */
export class Reading {
  readonly #total: number
  #finished = 0
  #shown = 0
  #current = 0

  constructor(files: readonly FoundFile[]) {
    this.#total = Math.max(
      1,
      files.reduce((sum, file) => sum + file.bytes, 0),
    )
  }

  update(file: FoundFile, bytes: number, done: boolean): void {
    if (done) this.#finished += file.bytes
    this.#current = done ? 0 : bytes
  }

  /** @param encoded share of the passages read that are encoded: reading is always ahead */
  share(encoded: number): number {
    // Never back, though files are read in larger pieces than passages.
    this.#shown = Math.max(this.#shown, ((this.#finished + this.#current) * encoded) / this.#total)
    return this.#shown
  }
}

/** Sources of what was sent to a server: the folder of an index does not hold them, and they are not gone from it. */
const SENT = 'upload:'

/** Whether a source is under the paths given, so that its absence there means it is gone. */
export function inScope(paths: readonly string[], root: string): (source: unknown) => boolean {
  const names = paths.map((path) => sourceName(resolve(path), root))
  return (source) =>
    typeof source === 'string' &&
    names.some((name) =>
      name === ''
        ? !source.startsWith('../') && !source.startsWith(SENT)
        : source === name || source.startsWith(`${name}/`),
    )
}

/** Opens an index to write to it, or makes one. */
export function openIndex(
  context: Context,
  folder: string,
  model: ColBERT,
  settings: Readonly<Record<string, unknown>>,
): Promise<MultiVectorIndex> {
  return openIndexAt(folder, {
    ...pickOptions(settings, INDEX_OPTIONS),
    model: withEncodeOptions(model, { query: {}, document: encodeOptions(settings) }),
    onWarning: warnOnce(context),
  }).catch((error: unknown) => {
    if (!SerotineError.isInstance(error) || error.code !== 'INDEX_MISMATCH') throw error
    throw new SerotineError('INDEX_MISMATCH', `${error.message} Or start over with --rebuild.`, { cause: error })
  })
}

/** Passages as long as the model's documents may be, counted by its own tokenizer. */
export function passageOptions(
  model: ColBERT,
  record: IndexRecord,
  settings: Readonly<Record<string, unknown>>,
): Pick<ReadOptions, 'countTokens' | 'maxTokens' | 'overlap' | 'split'> {
  const { prompt, promptName } = encodeOptions(settings)
  const prompts = { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
  const tokensOf = (text: string): number => {
    const { ids, cut } = model.documentInput(text, prompts)
    return ids.length + cut
  }
  const overhead = tokensOf('')
  return {
    countTokens: (text: string) => tokensOf(text) - overhead,
    maxTokens: record.passages.maxTokens ?? Math.max(1, model.config.documentLength - overhead),
    ...(record.passages.overlap !== undefined && { overlap: record.passages.overlap }),
    ...(record.passages.split !== undefined && { split: record.passages.split }),
  }
}

/** What is said when there is nothing to index. */
export function nothingFound(paths: readonly string[], skips: Skips): SerotineError {
  const others = [
    [skips.count('other-kind'), 'other file', 'other files'],
    [
      skips.count('ignored'),
      'ignored by .gitignore (--no-gitignore reads it)',
      'ignored by .gitignore (--no-gitignore reads them)',
    ],
    [skips.count('excluded'), 'excluded', 'excluded'],
    [skips.count('unreadable'), 'that cannot be read', 'that cannot be read'],
  ] as const
  const words = others.filter(([n]) => n > 0).map(([n, one, many]) => counted(n, one, many))
  const only = words.length > 0 ? `, only ${words.join(', ')}` : ''
  return new SerotineError(
    'INPUT_FORMAT',
    `There are no texts in ${paths.join(', ')}${only}. Supported: ${EXTENSIONS.join(' ')}; add others with --extensions.`,
  )
}
