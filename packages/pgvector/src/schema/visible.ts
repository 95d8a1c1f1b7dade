import { SerotineError } from '@serotine/core'
import type { Session } from '../database/database.js'
import type { Names } from './names.js'

/**
 * Rows that a policy keeps from this user look as if they were not there, and a search as if it found nothing.
 *
 * @throws STORE_REFUSED where that is why there are none
 */
export async function checkVisible(
  { session, names }: { readonly session: Session; readonly names: Names },
  table: string,
): Promise<void> {
  const [row] = await session.query(
    `select row_security_active($1::text) and not exists (select 1 from ${table}) as hidden`,
    [table],
  )
  if (!row!.hidden) return
  throw new SerotineError(
    'STORE_REFUSED',
    `Row-level security hides ${table} from this user. Policies are for the documents, ${names.schema}.documents_…; here: alter table ${table} disable row level security`,
  )
}
