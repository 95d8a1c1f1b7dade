// Weaviate servers for tests and for trying things out: built once from the Go module proxy, run where only this machine reaches them.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const VERSION = '1.35.2'
const root = fileURLToPath(new URL('../..', import.meta.url))
const cache = join(root, 'node_modules/.cache/serotine-engines')
const KEEPER = fileURLToPath(new URL('weaviate-keeper.mjs', import.meta.url))
const READY_MS = 90_000

/** Where the server is once it has been built. */
export const binary = process.env.SEROTINE_WEAVIATE_SERVER ?? join(cache, `weaviate-${VERSION}`)
export const buildCommand = 'npm run engines:up -- weaviate'

/** Builds the server: about five minutes of a core and 3.2 GB of caches, which GOPATH and GOCACHE say where to put. */
export function build() {
  if (existsSync(binary)) return
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'build-'))
  const module = `github.com/weaviate/weaviate/cmd/weaviate-server@v${VERSION}`
  console.error(`engines: building Weaviate ${VERSION} with Go, which takes about five minutes of a core`)
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOBIN: folder }
  const built = spawnSync('go', ['install', '-p', '1', module], { env, stdio: ['ignore', 2, 2] })
  if (built.status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(
      `"go install ${module}" failed: ${built.error?.message ?? 'its output is above'}. It takes Go 1.24 or later.`,
    )
  }
  renameSync(join(folder, 'weaviate-server'), binary)
  rmSync(folder, { recursive: true, force: true })
}

/**
 * Starts `nodes` servers, a cluster when there are several.
 *
 * Weaviate's gRPC and cluster ports listen on every interface, and no option changes that: the servers run in a network namespace of their own, and
 * what listens here are relays on 127.0.0.1. Where the system allows no namespace, that is said, and they run without.
 *
 * @returns `url` of the first; `nodes`: `{ url, grpc }` of each; `kill(i)` as a power cut does, `start(i)` again
 */
export async function up({ folder, nodes = 1, env = {}, mayBuild = true, quiet = false } = {}) {
  if (mayBuild) build()
  if (!existsSync(binary)) throw new Error(`There is no ${binary}. Build it: ${buildCommand}`)
  const own = folder === undefined
  const data = folder ?? mkdtempSync(join(tmpdir(), 'serotine-weaviate-'))
  const sockets = mkdtempSync(join(tmpdir(), 'swv-'))
  const isolated = namespace()
  if (!isolated && !quiet)
    console.error('engines: no network namespace here, so Weaviate listens for gRPC on every interface')
  const [command, ...given] = [...(isolated ?? []), process.execPath, KEEPER]
  const keeper = spawn(command, given, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      ...env,
      SEROTINE_KEEPER: JSON.stringify({ binary, data, sockets, nodes, isolated: isolated !== undefined }),
    },
  })
  const ended = once(keeper, 'exit')
  const tell = async (message) => {
    const answer = new Promise((resolve, reject) => {
      const listen = (said) => {
        if (said.of !== message.id) return
        keeper.off('message', listen)
        if (said.error) reject(new Error(said.error))
        else resolve(said)
      }
      keeper.on('message', listen)
      void ended.then(() => reject(new Error('The keeper of the Weaviate servers ended.')))
    })
    answer.catch(() => {})
    keeper.send(message)
    return answer
  }
  let id = 0
  const ask = (what, node) => tell({ id: ++id, what, node })
  const relays = []
  const relay = async (socket) => {
    const server = createServer((client) => piped(client, connect(socket)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    relays.push(server)
    return server.address().port
  }
  const addresses = []
  const stop = async () => {
    for (const server of relays) server.close()
    if (keeper.exitCode === null && keeper.signalCode === null) {
      await ask('stop').catch(() => {})
      keeper.disconnect?.()
      await ended
    }
    rmSync(sockets, { recursive: true, force: true })
    if (own) rmSync(data, { recursive: true, force: true })
  }
  const ready = async (node) => {
    const until = Date.now() + READY_MS
    const { url } = addresses[node]
    while (Date.now() < until) {
      const answer = await fetch(`${url}/v1/.well-known/ready`, { signal: AbortSignal.timeout(1000) }).catch(
        () => undefined,
      )
      if (answer?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`The Weaviate server ${node} was not ready within ${READY_MS / 1000} s. Its log is in ${data}.`)
  }
  try {
    await ask('listen')
    for (let node = 0; node < nodes; node++) {
      const [http, grpc] = [await relay(join(sockets, `http${node}`)), await relay(join(sockets, `grpc${node}`))]
      addresses.push({ url: `http://127.0.0.1:${http}`, grpc: `127.0.0.1:${grpc}` })
    }
    for (let node = 0; node < nodes; node++) await ask('start', node)
    for (let node = 0; node < nodes; node++) await ready(node)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url: addresses[0].url,
    grpc: addresses[0].grpc,
    nodes: addresses,
    data,
    kill: (node) => ask('kill', node),
    start: async (node) => {
      await ask('start', node)
      await ready(node)
    },
    stop,
  }
}

/** What runs a command in a network namespace, if this user may make one. */
function namespace() {
  for (const command of [
    ['unshare', '--net'],
    ['unshare', '--user', '--map-root-user', '--net'],
  ]) {
    const [name, ...given] = [...command, 'ip', 'link', 'set', 'lo', 'up']
    if (spawnSync(name, given, { stdio: 'ignore' }).status === 0) return command
  }
  return undefined
}

function piped(a, b) {
  a.pipe(b).pipe(a)
  for (const [one, other] of [
    [a, b],
    [b, a],
  ]) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
}
