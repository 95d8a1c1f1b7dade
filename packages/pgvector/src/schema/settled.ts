import { SerotineError } from '@serotine/core'
import { resolveFdeConfig, withLearnedPartitions } from '@serotine/core/muvera'
import type { FdeOptions } from '@serotine/core/muvera'
import type { CheckedOptions } from '../options.js'
import type { Collection } from './collection.js'

/** What a collection was made with stays; other settings than these are an error rather than without effect. @throws INDEX_MISMATCH */
export function checkSettled(collection: Collection, options: CheckedOptions, where: string): void {
  const { spec, language } = collection
  const other = (setting: string, found: unknown, given: unknown): SerotineError =>
    new SerotineError(
      'INDEX_MISMATCH',
      `The collection ${JSON.stringify(options.name)} in ${where} was made with ${setting}: ${JSON.stringify(found)}, not ${JSON.stringify(given)}. Leave the option out, or make ` +
        'another collection and copy the documents.',
    )
  if (options.codec !== undefined && options.codec !== spec.codec) throw other('codec', spec.codec, options.codec)
  if (options.fde !== undefined) {
    const found: FdeOptions | false = spec.fde?.options ?? false
    const given = options.fde
    if (comparable(found, spec.dim) !== comparable(given, spec.dim)) throw other('fde', found, given)
  }
  if (options.keywords !== undefined) {
    const given = options.keywords === false ? null : options.keywords.language
    if (given !== language) throw other('keywords', language ?? false, given ?? false)
  }
}

/** What FDE options come to, whatever was spelt out. */
function comparable(fde: FdeOptions | false, dim: number | null): string {
  if (fde === false) return 'false'
  return JSON.stringify([fde.prepare ?? 'auto', resolveFdeConfig(withLearnedPartitions({ ...fde, dim: dim ?? 128 }))])
}
