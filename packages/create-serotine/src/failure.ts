/** Something the user can mend: shown as it is, without a stack. `cause` says the same to programs. */
export class Failure extends Error {
  override readonly name = 'Failure'
}

/** What the system said, as a sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
