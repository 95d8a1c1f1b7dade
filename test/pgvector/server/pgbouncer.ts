// A pooler in transaction mode before a server, as Supabase and Neon have one. Where the program is missing, tests with it are skipped, and that is said.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, PASSWORD } from '../../../scripts/engines/postgres.mjs'
import type { PostgresServer } from './server.js'

const PROGRAM = 'pgbouncer'
const NOBODY = 65534

export function hasPgbouncer(): boolean {
  if (!spawnSync(PROGRAM, ['--version']).error) return true
  console.warn(`SKIPPED: tests with a real pooler. Install ${PROGRAM} to run them.`)
  return false
}

export class Pgbouncer {
  readonly port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'serotine-pooler-'))
  readonly #server: PostgresServer
  #process: ChildProcess | undefined

  /** @param connections that it opens to the server at most */
  private constructor(server: PostgresServer, port: number, connections: number) {
    this.port = port
    this.#server = server
    chmodSync(this.#folder, 0o755)
    writeFileSync(join(this.#folder, 'users'), `"postgres" "${PASSWORD}"\n`)
    writeFileSync(
      join(this.#folder, 'ini'),
      `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(this.#folder, 'users')}
pool_mode = transaction
default_pool_size = ${connections}
max_client_conn = 200
server_login_retry = 1
server_round_robin = 1
`,
    )
  }

  static async start(server: PostgresServer, connections: number): Promise<Pgbouncer> {
    const pooler = new Pgbouncer(server, await freePort(), connections)
    await pooler.start()
    return pooler
  }

  url(): string {
    return this.#server.url().replace(`:${this.#server.port}/`, `:${this.port}/`)
  }

  async start(): Promise<void> {
    const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
    this.#process = spawn(PROGRAM, ['--quiet', join(this.#folder, 'ini')], { stdio: 'ignore', ...asNobody })
    for (let tries = 0; tries < 100; tries++) {
      const socket = connect(this.port, '127.0.0.1')
      const isUp = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false)
      socket.destroy()
      if (isUp) return
      await delay(50)
    }
    throw new Error('The pooler does not start.')
  }

  /** At once, as when it is killed. */
  async stop(): Promise<void> {
    if (!this.#process || this.#process.exitCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
