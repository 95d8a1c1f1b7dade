import type { Database } from '../database/database.js'
import type { CheckedOptions } from '../options.js'
import type { Snapshot } from '../reading/snapshot.js'
import type { Collection } from '../schema/collection.js'
import type { Encoders } from '../schema/encoders.js'
import type { Names, VectorNames } from '../schema/names.js'

/** What upkeep works with. */
export interface Upkeep {
  readonly database: Database
  readonly names: Names
  readonly vector: VectorNames
  readonly encoders: Encoders
  readonly options: CheckedOptions
  read<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T>
  /** Locks the collection. */
  change(work: (snapshot: Snapshot) => Promise<Collection>): Promise<void>
}
