import { SerotineError } from '../errors.js'
import { checkOptions, describe } from '../options.js'
import { constantAnswer, parseWhere } from '../store/filter.js'
import type { Filter, Where } from '../store/filter.js'
import type { Store } from '../store/store.js'
import { checkId } from './input.js'
import { checkFilter } from './search/options.js'

/** How documents are deleted. */
export interface DeleteOptions {
  signal?: AbortSignal
}

/** What `delete` was told, checked at once. */
export function checkDelete(
  which: string | readonly string[] | { where: Where },
  options: DeleteOptions,
  { capabilities }: Store,
): { ids: string[] } | { filter: Filter } {
  checkOptions('delete()', options, ['signal'], { abortSignal: 'signal' })
  if (typeof which === 'string' || Array.isArray(which)) {
    const list = typeof which === 'string' ? [which] : (which as readonly string[])
    return { ids: Array.from(list, (id, i) => checkId(id, `Id ${i}`)) }
  }
  checkOptions('delete()', which, ['where'], { filter: 'where' })
  const { where } = (which ?? {}) as { where?: Where }
  if (where === undefined) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `delete() takes an id, an array of ids or { where }, got ${describe(which)}.`,
    )
  }
  const filter = checkFilter(parseWhere(where), capabilities)
  if (constantAnswer(filter) === true) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'The where of delete() holds for every document. To delete everything, pass { where: () => true }.',
    )
  }
  return { filter }
}
