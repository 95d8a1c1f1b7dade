// A real PostgreSQL for the tests of this folder. Where it cannot be had, they are skipped, and that is said.
import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import type { QueryResult } from 'pg'
import { EngineUnavailable, freePort, install, PostgresServer } from '../../../scripts/engines/postgres.mjs'

export type { PostgresServer }

/** The programs, or why there are none. */
export async function programs(): Promise<string | undefined> {
  try {
    return await install()
  } catch (error) {
    if (!(error instanceof EngineUnavailable)) throw error
    console.warn(`SKIPPED: tests on a real PostgreSQL. ${error.message}`)
    return undefined
  }
}

const settings = { fsync: 'off', log_min_messages: 'warning' }

/** A server that runs, with its data in a folder of its own. */
export async function startServer(binaries: string): Promise<PostgresServer> {
  const server = await newServer(binaries)
  await server.create()
  await server.start(settings)
  return server
}

/** One that follows another, and runs. */
export async function startReplica(binaries: string, primary: PostgresServer): Promise<PostgresServer> {
  const server = await newServer(binaries)
  await server.follow(primary)
  await server.start(settings)
  return server
}

async function newServer(binaries: string): Promise<PostgresServer> {
  return new PostgresServer(binaries, mkdtempSync(join(tmpdir(), 'serotine-postgres-')), await freePort())
}

export async function stopServer(server: PostgresServer | undefined): Promise<void> {
  await server?.stop('immediate').catch(() => {})
  server?.remove()
}

/** Runs statements as the owner of the server. */
export async function sql(server: PostgresServer, ...statements: string[]): Promise<QueryResult[]> {
  const client = new Client(server.url())
  await client.connect()
  try {
    const results: QueryResult[] = []
    for (const statement of statements) results.push(await client.query(statement))
    return results
  } finally {
    await client.end()
  }
}

/** A name that nothing else has. */
export function unique(prefix: string): string {
  return `${prefix}_${randomUUID().slice(0, 8)}`
}
