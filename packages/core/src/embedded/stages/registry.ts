import { centroidStage } from './centroids/centroid-stage.js'
import { fdeStage } from './fde/fde-stage.js'
import { hnswStage } from './hnsw/hnsw-stage.js'
import type { Stage, StageContext } from './stage.js'

/** Every first stage but `exact`, in the order in which they are kept up. */
const STAGES: readonly ((context: StageContext) => Stage)[] = [
  centroidStage,
  fdeStage,
  // Over the rows of the one before.
  hnswStage,
]

export function makeStages(context: Omit<StageContext, 'stage'>): ReadonlyMap<string, Stage> {
  const stages = new Map<string, Stage>()
  const stage = (name: string): Stage => stages.get(name)!
  for (const make of STAGES) {
    const made = make({ ...context, stage })
    stages.set(made.name, made)
  }
  return stages
}
