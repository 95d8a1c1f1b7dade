import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, vi } from 'vitest'
import type { DerivedRole } from '../../packages/core/src/embedded/format/manifest.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import type { FirstStage } from '../../packages/core/src/store/store.js'
import { numbers, StagedIndex } from '../support/staged-index.js'
import type { Answer, StagedOptions } from '../support/staged-index.js'

export interface StageUnderTest {
  readonly name: string
  /** What an index that keeps it is opened with. */
  readonly preferred: FirstStage
  /** Share of the exact MaxSim top 10 that is to be among its first 100 of 1,000. */
  readonly minRecall: number
  /** What it ranks documents by, computed by the plainest means; and the share of the best 100 by it that it must find. */
  readonly estimate: (index: StagedIndex, query: TokenEmbeddings) => Promise<(ordinal: number) => number>
  readonly minFound: number
  /** How far a score may be from that, per query token. */
  readonly tolerance: number
  /** Every document has codes of its own, committed with it. */
  readonly isCoded: boolean
  /** The files it keeps in a folder. */
  readonly roles: readonly DerivedRole[]
}

/** Documents whose queries are asked. */
export const queries = numbers(0, 20).map((i) => i * 37)

/** A folder for each test, and indexes in it that keep the first stage. */
export function indexesWith({ name, preferred }: StageUnderTest) {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), `serotine-${name}-`))
  })
  afterEach(() => {
    vi.restoreAllMocks()
    rmSync(folder, { recursive: true, force: true })
  })
  const open = (options: StagedOptions = {}): Promise<StagedIndex> =>
    StagedIndex.open({ folder, preferred, ...options })
  return {
    folder: () => folder,
    open,
    /** The first `count` documents, coded. */
    async made(count: number, options: StagedOptions = {}): Promise<StagedIndex> {
      const index = await open(options)
      await index.put(numbers(0, count))
      await index.upkeep()
      return index
    },
  }
}

/** Share of the ids that are in both answers, on average. */
export function agreement(before: readonly (Answer | undefined)[], after: readonly (Answer | undefined)[]): number {
  const shares = before.map((answer, i) => shareFound(answer!.ids, after[i]!.ids))
  return shares.reduce((sum, share) => sum + share, 0) / shares.length
}

export function bestOf(ordinals: readonly number[], score: (ordinal: number) => number, count: number): number[] {
  const scored = ordinals.map((ordinal) => ({ ordinal, score: score(ordinal) }))
  scored.sort((a, b) => b.score - a.score || a.ordinal - b.ordinal)
  return scored.slice(0, count).map(({ ordinal }) => ordinal)
}

export function shareFound<T>(expected: readonly T[], found: readonly T[]): number {
  const set = new Set(found)
  return expected.filter((one) => set.has(one)).length / expected.length
}
