import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import type { ColBERT, MultiVectorIndex } from '@serotine/core'
import type { CommonValues, Context } from '../command.js'
import { readRecord, recordFor, rootOf, settleRecord, writeRecord } from '../index-record.js'
import { openIndex, passageOptions } from '../indexing.js'
import type { ReadOptions } from '../input/read-texts.js'
import { kindOf } from '../input/walk.js'
import { encodeOptions, loadModel, warnOnce, withEncodeOptions } from '../model.js'
import { startProgress } from '../output/progress.js'
import { removeLeftovers } from '../rebuild.js'
import { isAddress, openIndexAt } from '../store-address.js'
import { follow } from './follow.js'
import { Follower } from './follower.js'
import type { Look } from './follower.js'
import type { LookReport } from './report.js'

/** What is read into an index and kept up. */
export interface FollowValues extends CommonValues {
  skipBadLines?: boolean
  /** Seconds. */
  poll?: number
}

/** Texts and the index that is made of them. */
export interface FollowedTexts {
  readonly model: ColBERT
  readonly index: MultiVectorIndex
  /** How a text is cut into passages. */
  readonly passages: ReadOptions
  /** Takes in what has changed, with a bar. */
  look(): Promise<Look>
  /** Looks whenever something has changed, until the signal. */
  follow(report: LookReport, signal: AbortSignal): Promise<void>
  /** Lets go of the index, so that others can write to it, and opens it for reading. */
  reopen(): Promise<MultiVectorIndex>
  /** Also removes an index that was made and is empty. */
  close(): Promise<void>
}

/** Opens the index in a folder to read texts into it, and loads its model. */
export async function openFollowed(
  context: Context,
  paths: readonly string[],
  folder: string,
  values: FollowValues,
  workers?: number,
): Promise<FollowedTexts> {
  const before = await readRecord(folder)
  const { record, settings } = recordFor(folder, values as Record<string, unknown>, before)
  const isNew = !isAddress(folder) && !existsSync(folder)
  const running = { ...(workers !== undefined && { workers }), ...settings }
  const model = await loadModel(context, record.model, running)
  let index: MultiVectorIndex | undefined
  const close = async (): Promise<void> => {
    const isEmpty = isNew && index !== undefined && (await index.count()) === 0
    await index?.close({ prepare: !context.signal.aborted })
    await model.close()
    if (isEmpty) await rm(folder, { recursive: true, force: true })
  }
  try {
    index = await openIndex(context, folder, model, settings)
    await settleRecord(folder)
    await removeLeftovers(folder)
    await writeRecord(folder, record)
  } catch (error) {
    await close()
    throw error
  }
  const root = rootOf(folder, record)
  const extra = new Set(
    (record.reading?.extensions ?? []).map((ending) => `.${ending.replace(/^\./, '')}`.toLowerCase()),
  )
  const passages = passageOptions(model, record, settings)
  const bar = { update: (_done: number, _total: number): void => {} }
  const follower = new Follower({
    index,
    paths,
    root,
    folder: resolve(folder),
    reading: {
      ...record.reading,
      ...passages,
      root,
      skipUnreadable: true,
      skipBadLines: values.skipBadLines === true,
      signal: context.signal,
    },
    signal: context.signal,
    onProgress: (done, total) => bar.update(done, total),
  })
  return {
    model,
    index,
    passages,
    async reopen() {
      await index!.close()
      const encoder = withEncodeOptions(model, { query: {}, document: encodeOptions(settings) })
      return (index = await openIndexAt(folder, {
        model: encoder,
        readonly: true,
        onWarning: warnOnce(context),
      }))
    },
    async look() {
      const progress = startProgress(context.terminal, 'Indexing')
      bar.update = (done, total) => progress.update(done / Math.max(1, total), `${done} of ${total} files`)
      try {
        return await follower.look()
      } finally {
        bar.update = () => {}
        progress.stop()
      }
    },
    follow: (report, signal) =>
      follow({
        follower,
        paths: paths.map((path) => resolve(path)),
        isText: (path) => kindOf(path) !== undefined || extra.has(extname(path).toLowerCase()),
        leaveOut: resolve(folder),
        pollMs: values.poll === undefined ? undefined : values.poll * 1000,
        signal,
        onLook: (look) => report.tell(look),
        onTrouble: (message) => context.terminal.warn(message),
      }),
    close,
  }
}
