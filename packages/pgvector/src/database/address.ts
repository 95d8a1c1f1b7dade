import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'

/**
 * An address of a database, and of a collection in it:
 *
 * - `postgres://user:password@host:5432/database`, with what `pg` knows after the `?`; `postgresql://` is the same
 * - `pglite://folder`, a PGlite in a folder (`pglite:///data/docs` from the root); `pglite://` is one in memory
 *
 * and with either, after the `?`: `collection`, `schema`, `tenant`, as the options of these names.
 */
export interface Address {
  readonly kind: 'postgres' | 'pglite'
  /** What is left for the driver: a connection string, or a folder; '' in memory. */
  readonly driver: string
  /** Without user and password. */
  readonly name: string
  readonly named: { readonly collection?: string; readonly schema?: string; readonly tenant?: string }
}

const OURS = ['collection', 'schema', 'tenant'] as const
const SCHEME = /^(postgres|postgresql|pglite):\/\//

/** Whether a text is an address of a database. */
export function isAddress(text: string): boolean {
  return SCHEME.test(text)
}

/** @throws INVALID_ARGUMENT */
export function parseAddress(text: string): Address {
  const scheme = SCHEME.exec(text)?.[1]
  if (scheme === undefined) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The address of a database begins with postgres:// or pglite://, got ${describe(withoutSecrets(text))}.`,
    )
  }
  const cut = text.indexOf('?')
  if (scheme !== 'pglite' && !isReadable(text)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'The address of the database cannot be read. In user and password, write %23 for #, %2F for /, %3A for :, %3F for ?, %40 for @ (encodeURIComponent does): postgres://user:password@host:5432/database',
    )
  }
  const place = cut < 0 ? text : text.slice(0, cut)
  const parameters = new URLSearchParams(cut < 0 ? '' : text.slice(cut + 1))
  const named = Object.fromEntries(
    OURS.flatMap((name) => (parameters.has(name) ? [[name, parameters.get(name)!]] : [])),
  )
  for (const name of OURS) parameters.delete(name)
  if (scheme === 'pglite') {
    const unknown = [...parameters.keys()][0]
    if (unknown !== undefined) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `A pglite:// address has no ${describe(unknown)}, only ${OURS.join(', ')}.`,
      )
    }
    const folder = decodeURIComponent(place.slice('pglite://'.length))
    return { kind: 'pglite', driver: folder === ':memory:' ? '' : folder, name: place, named }
  }
  const rest = parameters.size > 0 ? `?${parameters}` : ''
  return { kind: 'postgres', driver: place + rest, name: withoutSecrets(place), named }
}

/** What an address says of the collection. */
export function namedIn(text: string): Address['named'] {
  return parseAddress(text).named
}

/** As the driver reads it, also without a host (`@/`). What follows a `/`, `?` or `#` of a password would be taken for the port. */
function isReadable(text: string): boolean {
  return URL.canParse(text.replace('@/', '@localhost/'))
}

function withoutSecrets(place: string): string {
  return place.replace(/\/\/[^/?]*@/, '//')
}
