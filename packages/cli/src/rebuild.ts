import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MultiVectorIndex, SerotineError } from '@serotine/core'
import { replaceIndex } from '@serotine/core/store'
import { isAddress } from './store-address.js'
import { settleRecord, writePending } from './index-record.js'
import type { IndexRecord } from './index-record.js'

/** Where an index is built anew: inside the old one, so that both are on one file system whatever is mounted where. */
const BESIDE = 'rebuild'

/** Is there an index, whole or damaged? */
export function hasIndex(folder: string): boolean {
  return isAddress(folder) || existsSync(join(folder, 'manifest.json'))
}

/**
 * Removes what a rebuild that was killed left behind.
 *
 * @throws INDEX_LOCKED when it is not dead
 */
export async function removeLeftovers(folder: string): Promise<void> {
  if (isAddress(folder)) return
  const beside = join(folder, BESIDE)
  if (!existsSync(beside)) return
  const left = await openUnlessDamaged(beside)
  await left?.close()
  await rm(beside, { recursive: true, force: true, maxRetries: 3 })
}

/**
 * An index being built anew while the old one goes on answering. Ended by `finish`, which switches from one to the other in one
 * step, or by `abandon`.
 */
export class Rebuild {
  /** Where the new index is to be built. */
  readonly folder: string
  readonly #folder: string
  /** Open so that nobody else writes to it meanwhile; undefined when it is damaged. */
  readonly old: MultiVectorIndex | undefined
  /** Of the old index. */
  readonly passages: number | undefined

  private constructor(folder: string, old: MultiVectorIndex | undefined, passages: number | undefined) {
    this.folder = join(folder, BESIDE)
    this.#folder = folder
    this.old = old
    this.passages = passages
  }

  /** @throws INDEX_LOCKED when the index is being written or rebuilt */
  static async begin(folder: string): Promise<Rebuild> {
    const old = await openUnlessDamaged(folder)
    try {
      await settleRecord(folder)
      await removeLeftovers(folder)
      return new Rebuild(folder, old, await old?.count())
    } catch (error) {
      await old?.close()
      throw error
    }
  }

  /** The new index, closed, takes the old one's place. */
  async finish(record: IndexRecord): Promise<void> {
    await this.old?.close()
    await replaceIndex(this.#folder, this.folder, {
      beforeSwitch: (generation) => writePending(this.#folder, { generation, record }),
    })
    await settleRecord(this.#folder)
  }

  async abandon(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
    await this.old?.close()
  }
}

async function openUnlessDamaged(folder: string): Promise<MultiVectorIndex | undefined> {
  try {
    return await MultiVectorIndex.open(folder, { create: false })
  } catch (error) {
    // Building anew is what helps against every other trouble.
    if (!SerotineError.isInstance(error) || error.code === 'INDEX_LOCKED') throw error
    return undefined
  }
}
