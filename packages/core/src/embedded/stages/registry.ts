import { centroidStage } from './centroids/centroid-stage.js'
import { fdeStage } from './fde/fde-stage.js'
import { HnswStage } from './hnsw/hnsw-stage.js'
import type { Stage, StageContext } from './stage.js'

/** Every first stage but `exact`, in the order in which they are kept up: one that uses another comes after it. */
const STAGES: readonly ((context: StageContext) => Stage)[] = [
  centroidStage,
  fdeStage,
  (context) => new HnswStage(context),
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
