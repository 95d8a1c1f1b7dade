import type { Condition } from './filters.js'

/** A search, as the page's address keeps it: after `#`, which no server sees. */
export interface Asked {
  readonly query: string
  readonly index?: string
  readonly k?: number
  readonly firstStage?: string
  readonly hybrid?: boolean
  readonly conditions: readonly Condition[]
}

export function readAddress(): Asked {
  const parts = new URLSearchParams(location.hash.slice(1))
  const k = Number(parts.get('k'))
  const [index, firstStage] = [parts.get('index'), parts.get('first_stage')]
  return {
    query: parts.get('q') ?? '',
    ...(index !== null && { index }),
    ...(Number.isInteger(k) && k > 0 && { k }),
    ...(firstStage !== null && { firstStage }),
    hybrid: parts.get('hybrid') === '1',
    conditions: readConditions(parts.get('where')),
  }
}

export function writeAddress({ query, index, k, firstStage, hybrid, conditions }: Asked): void {
  const parts = new URLSearchParams()
  if (query !== '') parts.set('q', query)
  if (index !== undefined) parts.set('index', index)
  if (k !== undefined) parts.set('k', String(k))
  if (firstStage !== undefined) parts.set('first_stage', firstStage)
  if (hybrid) parts.set('hybrid', '1')
  if (conditions.length > 0) {
    parts.set('where', JSON.stringify(conditions.map(({ field, operator, value }) => [field, operator, value])))
  }
  const hash = `#${parts}`
  if (hash !== location.hash && !(hash === '#' && location.hash === '')) history.pushState(null, '', hash)
}

/** Whatever an address may hold. */
function readConditions(text: string | null): Condition[] {
  try {
    const given: unknown = JSON.parse(text ?? '[]')
    if (!Array.isArray(given)) return []
    return given.flatMap((one: unknown) => {
      if (!Array.isArray(one)) return []
      const [field, operator, value] = one as [string, Condition['operator'], Condition['value']]
      return typeof field === 'string' && ['string', 'number', 'boolean'].includes(typeof value)
        ? [{ field, operator, value }]
        : []
    })
  } catch {
    return []
  }
}
