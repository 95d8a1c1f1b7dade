// A commit that was sent and not answered: what the database says of its transaction is believed only as far as it can know it.
import { describe, expect, it } from 'vitest'
import type { Client, Connection, Row } from '../../packages/pgvector/src/database/connection.js'
import { Database } from '../../packages/pgvector/src/database/database.js'

/** Loses the connection at the first commits; says of each transaction what is given. */
function losing(status: string | null, commits = 1): { readonly client: Client; readonly done: string[] } {
  const done: string[] = []
  let lost = 0
  const connection = (): Connection => {
    let mode = ''
    return {
      alone: async () => {},
      begin: async (asked) => {
        mode = asked
        return '700'
      },
      query: async (text): Promise<readonly Row[]> => {
        if (text.includes('pg_xact_status')) return [{ status }]
        done.push(text)
        return []
      },
      commit: async () => {
        if (mode !== 'write' || ++lost > commits) return
        throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' })
      },
      rollback: async () => {},
      cancel: async () => true,
      release: () => {},
    }
  }
  return { client: { concurrent: true, connect: async () => connection(), end: async () => {} }, done }
}

const change = (made: boolean | undefined) => async (status: string | null) => {
  const { client, done } = losing(status)
  const asked: string[] = []
  const names: string[] = []
  const database = new Database(client, 'PostgreSQL', undefined)
  const result = database.write(
    async (session) => {
      names.push(session.change)
      await session.query('insert')
      return names.length
    },
    undefined,
    async (session, name) => {
      expect(session.change).toBe('')
      asked.push(name)
      return made
    },
  )
  return { result: await result.catch((error: unknown) => error), done, asked, names }
}

describe('a commit whose answer was lost', () => {
  it('is acknowledged where the change is there', async () => {
    const { result, done, asked, names } = await change(true)('committed')
    expect([result, done, asked]).toEqual([1, ['insert'], names])
  })

  it('is repeated where the number is said to be committed, and the change is not there: another transaction was given it', async () => {
    const { result, done, names } = await change(false)('committed')
    expect([result, done]).toEqual([2, ['insert', 'insert']])
    expect(new Set(names).size).toBe(2)
  })

  it('is neither acknowledged nor repeated where nobody knows', async () => {
    for (const { result, done } of [await change(undefined)('committed'), await change(true)(null)]) {
      expect(result).toMatchObject({
        code: 'STORE_UNREACHABLE',
        message: expect.stringContaining('as a whole or not at all') as string,
      })
      expect(done).toEqual(['insert'])
    }
  })

  it('is repeated where it was undone, without a look', async () => {
    const { result, asked } = await change(true)('aborted')
    expect([result, asked]).toEqual([2, []])
  })
})
