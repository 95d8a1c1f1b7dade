import { SerotineError } from '../errors.js'
import type { CollectionSpec } from './store.js'

/** Vectors of two models cannot be compared; null goes with every model. @throws INDEX_MISMATCH naming both */
export function checkSameModel(index: string, found: CollectionSpec['model'], given: CollectionSpec['model']): void {
  if (!found || !given || found.fingerprint === given.fingerprint) return
  throw new SerotineError(
    'INDEX_MISMATCH',
    `The index ${index} was built with ${found.name} (${found.fingerprint.slice(0, 12)}), not ` +
      `${given.name} (${given.fingerprint.slice(0, 12)}): their vectors cannot be compared. Load that model, with the same ` +
      'options, or build another index.',
  )
}
