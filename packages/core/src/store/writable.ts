import { SerotineError } from '../errors.js'
import type { Store } from './store.js'

/** @throws INDEX_READONLY */
export function checkWritable({ name, readonly }: Pick<Store, 'name' | 'readonly'>): void {
  if (!readonly) return
  throw new SerotineError(
    'INDEX_READONLY',
    `The index ${name} was opened with { readonly: true }. Open it without that option to change it.`,
  )
}
