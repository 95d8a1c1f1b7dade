import { existsSync } from 'node:fs'
import type { MultiVectorIndex } from '@serotine/core'
import { indexStage } from '@serotine/core/evaluation'
import type { RetrievalStage } from '@serotine/core/evaluation'

/** Ways of searching that `eval` compares. */
export const STAGES = {
  exact: 'exact MaxSim',
  default: 'the index’s default',
  centroids: 'centroids + MaxSim',
  muvera: 'MUVERA + MaxSim',
  fde: 'MUVERA alone',
} as const
export type StageName = keyof typeof STAGES

/** What the index calls that which found the documents. */
const FOUND_BY: Readonly<Record<string, string>> = {
  exact: 'exact MaxSim',
  centroids: 'centroids + MaxSim',
  fde: 'MUVERA + MaxSim',
  hnsw: 'MUVERA graph + MaxSim',
}

export interface StageToRun {
  readonly kind: StageName
  readonly candidates?: number
}

/**
 * The stages asked for, then, for a report, those with candidates with other numbers of them.
 *
 * @param plotted numbers of candidates to compare; none without a report
 */
export function stagesToRun(
  stages: readonly string[],
  candidates: number,
  plotted: readonly number[],
  hasFdes: boolean,
): StageToRun[] {
  const asked = stages.map((name) => ({ kind: name as StageName, ...(isReranked(name) && { candidates }) }))
  const reranked = asked.filter(({ kind }) => isReranked(kind) && (hasFdes || kind !== 'muvera'))
  const others = plotted.filter((other) => other !== candidates)
  return [...asked, ...reranked.flatMap(({ kind }) => others.map((other) => ({ kind, candidates: other })))]
}

function isReranked(name: string): boolean {
  return name === 'muvera' || name === 'centroids'
}

export function stageOf(name: StageName, index: MultiVectorIndex, candidates: number): RetrievalStage {
  const how = {
    exact: { stage: 'exact' },
    default: { candidates },
    centroids: { stage: 'centroids', candidates },
    muvera: { stage: 'fde', candidates },
    fde: { stage: 'fde', rerank: false },
  } as const
  return indexStage(name, index, how[name])
}

/** Whether everything was scored exactly though another stage was asked for: too few tokens to learn anything from. */
export function isExactInstead(kind: StageName, foundBy: Readonly<Record<string, number>>): boolean {
  return kind !== 'exact' && kind !== 'default' && foundBy.exact !== undefined
}

/** What a row is called: what was asked for, and what it came to. */
export function stageLabel(kind: StageName, foundBy: Readonly<Record<string, number>>): string {
  if (kind === 'default') {
    const ways = Object.keys(foundBy).flatMap((name) => FOUND_BY[name] ?? [])
    return ways.length === 0 ? STAGES.default : `${STAGES.default}: ${ways.join(' or ')}`
  }
  return isExactInstead(kind, foundBy) ? `${STAGES[kind]} (here exact MaxSim)` : STAGES[kind]
}

/** A new index gets FDEs, which it would not by itself, when stages are measured that go by them. */
export function fdesToCompare(stages: readonly string[], index: string | undefined, fde: unknown): { fde?: 'compact' } {
  const isNew = index === undefined || !existsSync(index)
  return fde === undefined && isNew && stages.some((name) => name === 'muvera' || name === 'fde')
    ? { fde: 'compact' }
    : {}
}
