import { Client } from 'pg'

type Config = { readonly text: string; readonly values?: unknown[] }

/**
 * A pool as one has it behind a pooler in transaction mode: every transaction is on another of few sessions, and a statement outside of one on any. It hands out
 * what looks like a connection, with a number that is not the session's.
 */
export class LendingPool {
  readonly totalCount = 0
  readonly #sessions: Promise<Client>[]
  readonly #free: Client[] = []
  readonly #waiting: ((session: Client) => void)[] = []

  constructor(url: string, sessions: number) {
    this.#sessions = Array.from({ length: sessions }, async () => {
      const session = new Client(url)
      await session.connect()
      this.#giveBack(session)
      return session
    })
  }

  async connect() {
    let lent: Client | undefined
    const query = async (config: Config): Promise<{ rows: unknown[] }> => {
      const isWithin = lent !== undefined || config.text.startsWith('begin')
      const isEnd = config.text === 'commit' || config.text === 'rollback'
      const session = lent ?? (await this.#borrow())
      lent = isWithin && !isEnd ? session : undefined
      try {
        return await session.query(config)
      } finally {
        if (!lent) this.#giveBack(session)
      }
    }
    const ignored = (): void => {}
    return { query, on: ignored, off: ignored, release: ignored, processID: 1 }
  }

  async query(text: string): Promise<unknown> {
    return (await this.connect()).query({ text })
  }

  on(): void {}

  off(): void {}

  /** The first row of each session's answer. */
  async each(text: string): Promise<unknown[]> {
    const sessions = await Promise.all(this.#sessions)
    return Promise.all(sessions.map(async (session) => (await session.query(text)).rows[0] as unknown))
  }

  async end(): Promise<void> {
    for (const session of await Promise.all(this.#sessions)) await session.end()
  }

  /** The one that was given back first, so that two in a row are different ones. */
  async #borrow(): Promise<Client> {
    return this.#free.shift() ?? new Promise((resolve) => this.#waiting.push(resolve))
  }

  #giveBack(session: Client): void {
    const next = this.#waiting.shift()
    if (next) next(session)
    else this.#free.push(session)
  }
}
