import { existsSync } from 'node:fs'
import type { MultiVectorIndex } from '@serotine/core'
import { indexMethod } from '@serotine/core/evaluation'
import type { RetrievalMethod } from '@serotine/core/evaluation'
import type { FirstStage } from './options.js'

/** The first stages that `eval` compares unless told which. */
export const COMPARED_FIRST_STAGES: readonly FirstStage[] = ['exact', 'auto', 'centroids', 'muvera']

const LABELS: Readonly<Record<Exclude<FirstStage, 'auto' | 'exact'>, string>> = {
  centroids: 'centroids',
  muvera: 'MUVERA',
  fde: 'FDE scan',
  hnsw: 'HNSW',
}

/** A way of answering queries that `eval` measures: a first stage, and whether exact MaxSim follows. */
export interface MethodToRun {
  readonly firstStage: FirstStage
  /** Documents that exact MaxSim scores. Absent where it scores all of them, or none. */
  readonly candidates?: number
  /** What the first stage finds, without exact MaxSim. */
  readonly alone: boolean
}

/**
 * The methods asked for.
 *
 * @param alone adds what those first stages find by themselves that do so whatever the collection
 */
export function methodsAsked(firstStages: readonly FirstStage[], candidates: number, alone: boolean): MethodToRun[] {
  return firstStages.flatMap((firstStage): MethodToRun[] => [
    { firstStage, alone: false, ...(firstStage !== 'exact' && { candidates }) },
    ...(alone && isNamed(firstStage) ? [{ firstStage, alone }] : []),
  ])
}

/** The same first stages with other numbers of candidates, for the plots of a report. */
export function methodsPlotted(asked: readonly MethodToRun[], candidates: readonly number[]): MethodToRun[] {
  const reranked = asked.filter(({ firstStage, alone }) => isNamed(firstStage) && !alone)
  return reranked.flatMap((method) =>
    candidates.filter((other) => other !== method.candidates).map((other) => ({ ...method, candidates: other })),
  )
}

export function methodOf(method: MethodToRun, index: MultiVectorIndex): RetrievalMethod {
  const { firstStage, candidates, alone } = method
  const how = { stage: firstStage, ...(candidates !== undefined && { candidates }), ...(alone && { rerank: false }) }
  return indexMethod(methodName(method), index, how)
}

/** As the names of run files have it. */
export function methodName({ firstStage, alone }: MethodToRun): string {
  return alone ? `${firstStage}-alone` : firstStage
}

/** Whether everything was scored exactly though another first stage was asked for: too few tokens to learn anything from. */
export function isExactInstead({ firstStage }: MethodToRun, foundBy: Readonly<Record<string, number>>): boolean {
  return isNamed(firstStage) && foundBy.exact !== undefined
}

/** What a row is called: what was asked for, and what it came to. */
export function methodLabel(method: MethodToRun, foundBy: Readonly<Record<string, number>>): string {
  const { firstStage, alone } = method
  if (firstStage === 'exact') return 'exact MaxSim'
  if (firstStage === 'auto') {
    const ways = Object.keys(foundBy).flatMap((name) => foundLabel(name) ?? [])
    return ways.length === 0 ? 'auto' : `auto: ${ways.join(' or ')}`
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
function isNamed(firstStage: FirstStage): firstStage is keyof typeof LABELS {
  return firstStage in LABELS
}

/** Whether a first stage looks through FDEs. */
export function needsFdes(firstStage: FirstStage): boolean {
  return firstStage === 'muvera' || firstStage === 'fde' || firstStage === 'hnsw'
}

/** How the index is opened, so that what is compared is there, or is said to be missing before anything is encoded. */
export function openOptionsFor(
  firstStages: readonly FirstStage[],
  index: string | undefined,
  fde: unknown,
): { fde?: 'compact'; firstStage?: 'hnsw' } {
  const isNew = index === undefined || !existsSync(index)
  return {
    // A new index would have no FDEs by itself.
    ...(fde === undefined && isNew && firstStages.some(needsFdes) && { fde: 'compact' as const }),
    // A library that cannot be loaded is an error when the index is opened.
    ...(firstStages.includes('hnsw') && { firstStage: 'hnsw' as const }),
  }
}
