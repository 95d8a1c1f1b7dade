import { SerotineError } from '../errors.js'
import { describe } from '../options.js'
import type { FirstStage, StoreCapabilities } from './store.js'

/** @param firstStages what there is beside `auto` @throws INVALID_ARGUMENT */
export function checkFirstStage(firstStage: unknown, firstStages: StoreCapabilities['firstStages']): FirstStage {
  const known = ['auto', ...firstStages]
  if (known.includes(firstStage as FirstStage)) return firstStage as FirstStage
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `firstStage must be one of ${known.join(', ')}; got ${describe(firstStage)}.`,
  )
}
