import type { PrepareOptions } from '@serotine/core/store'
import type { Upkeep } from './prepare.js'

export async function keepSuitability(_upkeep: Upkeep, _options: PrepareOptions): Promise<void> {}
