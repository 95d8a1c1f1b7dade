import { existsSync } from 'node:fs'
import { MultiVectorIndex } from '@serotine/core'
import { indexMethod } from '@serotine/core/evaluation'
import type { RetrievalMethod } from '@serotine/core/evaluation'
import type { SearchOptions } from '@serotine/core'
import type { FirstStageChoice } from './options.js'

/** The first stages that `eval` compares unless told which. */
export const COMPARED_FIRST_STAGES: readonly FirstStageChoice[] = ['exact', 'auto', 'centroids', 'muvera']

const LABELS: Readonly<Record<Exclude<FirstStageChoice, 'auto' | 'exact'>, string>> = {
  centroids: 'centroids',
  muvera: 'MUVERA',
  fde: 'FDE scan',
  hnsw: 'HNSW',
}

/** A way of answering queries that `eval` measures: a first stage, and whether exact MaxSim follows. */
export interface MethodToRun {
  readonly firstStage: FirstStageChoice
  /** Documents that exact MaxSim scores. Absent where it scores all of them, or none. */
  readonly candidates?: number
  /** What the first stage finds, without exact MaxSim. */
  readonly alone: boolean
  /** Words count, too. */
  readonly hybrid?: SearchOptions['hybrid']
}

/**
 * The methods asked for.
 *
 * @param alone adds what those first stages find by themselves that do so whatever the collection
 * @param hybrid adds a hybrid search, with what the index chooses as its first stage
 */
export function methodsAsked(
  firstStages: readonly FirstStageChoice[],
  { candidates, alone, hybrid }: { candidates: number; alone: boolean; hybrid: SearchOptions['hybrid'] },
): MethodToRun[] {
  const without = firstStages.flatMap((firstStage): MethodToRun[] => [
    { firstStage, alone: false, ...(firstStage !== 'exact' && { candidates }) },
    ...(alone && isNamed(firstStage) ? [{ firstStage, alone }] : []),
  ])
  return hybrid ? [...without, { firstStage: 'auto', candidates, alone: false, hybrid }] : without
}

/** The same first stages with other numbers of candidates, for the plots of a report. */
export function methodsPlotted(asked: readonly MethodToRun[], candidates: readonly number[]): MethodToRun[] {
  const reranked = asked.filter(({ firstStage, alone }) => isNamed(firstStage) && !alone)
  return reranked.flatMap((method) =>
    candidates.filter((other) => other !== method.candidates).map((other) => ({ ...method, candidates: other })),
  )
}

export function methodOf(method: MethodToRun, index: MultiVectorIndex): RetrievalMethod {
  const { firstStage, candidates, alone, hybrid } = method
  const how = {
    firstStage,
    ...(candidates !== undefined && { candidates }),
    ...(alone && { rerank: false }),
    ...(hybrid && { hybrid }),
  }
  return indexMethod(methodName(method), index, how)
}

/** As the names of run files have it. */
export function methodName({ firstStage, alone, hybrid }: MethodToRun): string {
  if (hybrid) return 'hybrid'
  return alone ? `${firstStage}-alone` : firstStage
}

/** Whether everything was scored exactly though another first stage was asked for: too few tokens to learn anything from. */
export function isExactInstead({ firstStage }: MethodToRun, foundBy: Readonly<Record<string, number>>): boolean {
  return isNamed(firstStage) && foundBy.exact !== undefined
}

/** What a row is called: what was asked for, and what it came to. */
export function methodLabel(method: MethodToRun, foundBy: Readonly<Record<string, number>>): string {
  const { firstStage, alone, hybrid } = method
  if (firstStage === 'exact') return 'exact MaxSim'
  if (firstStage === 'auto') {
    const ways = Object.keys(foundBy).flatMap((name) => foundLabel(name) ?? [])
    const name = hybrid ? 'hybrid' : 'auto'
    return ways.length === 0 ? name : `${name}: ${ways.join(' or ')}${hybrid ? ' + words' : ''}`
  }
  const label = `${LABELS[firstStage]}${alone ? ' alone' : ' + MaxSim'}`
  return isExactInstead(method, foundBy) ? `${label} (here exact MaxSim)` : label
}

/** What a search says found its documents, as a row is called. */
function foundLabel(foundBy: string): string | undefined {
  if (foundBy === 'exact') return 'exact MaxSim'
  return foundBy in LABELS ? `${LABELS[foundBy as keyof typeof LABELS]} + MaxSim` : undefined
}

/** Neither everything nor what the index chooses. */
function isNamed(firstStage: FirstStageChoice): firstStage is keyof typeof LABELS {
  return firstStage in LABELS
}

/** Whether a first stage looks through FDEs. */
export function needsFdes(firstStage: FirstStageChoice): boolean {
  return firstStage === 'muvera' || firstStage === 'fde' || firstStage === 'hnsw'
}

/** A new index gets FDEs, which it would not by itself, when first stages are measured that look through them. */
export function fdesToCompare(
  firstStages: readonly FirstStageChoice[],
  index: string | undefined,
  fde: unknown,
): { fde?: 'compact' } {
  const isNew = index === undefined || !existsSync(index)
  return fde === undefined && isNew && firstStages.some(needsFdes) ? { fde: 'compact' } : {}
}

/** @throws HNSWLIB_MISSING, before anything is encoded */
export async function requireHnswlib(): Promise<void> {
  const index = await MultiVectorIndex.open(undefined, { firstStage: 'hnsw' })
  await index.close()
}
