import type { FirstStage } from '../../store/store.js'
import { centroidStage } from './centroids/centroid-stage.js'
import { fdeStage } from './fde/fde-stage.js'
import { hnswStage } from './hnsw/hnsw-stage.js'
import type { Stage, StageContext } from './stage.js'

/** Every first stage but `exact`, by its name, in the order in which they are kept up. */
const STAGES: Readonly<Record<string, (context: StageContext) => Stage>> = {
  centroids: centroidStage,
  fde: fdeStage,
  // Over the rows of the one before.
  hnsw: hnswStage,
}

/** What can be asked for, beside `auto`. */
export const FIRST_STAGES: readonly FirstStage[] = ['exact', ...Object.keys(STAGES), 'muvera']

export function makeStages(context: Omit<StageContext, 'stage'>): ReadonlyMap<string, Stage> {
  const stages = new Map<string, Stage>()
  const stage = (name: string): Stage => stages.get(name)!
  for (const [name, make] of Object.entries(STAGES)) stages.set(name, make({ ...context, stage }))
  return stages
}
