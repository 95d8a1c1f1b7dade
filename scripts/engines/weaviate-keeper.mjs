// Runs inside the namespace: starts and kills servers when told, passes on what comes through sockets in the file system, which namespaces share.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const { binary, data, sockets, nodes, isolated } = JSON.parse(process.env.SEROTINE_KEEPER)
// Without a namespace, others may have the usual ports.
const base = isolated ? 0 : 20_000 + (process.pid % 2000) * 10
const ports = (node) => ({
  http: 8080 + base + node,
  grpc: 9080 + base + node,
  gossip: 7100 + base + 2 * node,
  data: 7101 + base + 2 * node,
  raft: 8300 + base + 2 * node,
  rpc: 8301 + base + 2 * node,
})
const running = new Map()

function start(node) {
  const port = ports(node)
  const folder = join(data, `node-${node}`)
  mkdirSync(folder, { recursive: true })
  const log = createWriteStream(join(data, `node-${node}.log`), { flags: 'a' })
  const given = ['--scheme', 'http', '--host', '127.0.0.1', '--port', `${port.http}`]
  const child = spawn(binary, [...given, '--read-timeout=600s', '--write-timeout=600s'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      GOMAXPROCS: process.env.GOMAXPROCS ?? '2',
      GOMEMLIMIT: '1GiB',
      DISABLE_TELEMETRY: 'true',
      GO_PROFILING_DISABLE: 'true',
      AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED: 'true',
      ENABLE_MODULES: '',
      API_BASED_MODULES_DISABLED: 'true',
      DEFAULT_VECTORIZER_MODULE: 'none',
      ASYNC_INDEXING: process.env.ASYNC_INDEXING ?? 'true',
      LOG_LEVEL: 'warning',
      PERSISTENCE_DATA_PATH: folder,
      CLUSTER_HOSTNAME: `weaviate-${node}`,
      CLUSTER_IN_LOCALHOST: 'true',
      CLUSTER_BIND_ADDR: '127.0.0.1',
      CLUSTER_ADVERTISE_ADDR: '127.0.0.1',
      CLUSTER_GOSSIP_BIND_PORT: `${port.gossip}`,
      CLUSTER_DATA_BIND_PORT: `${port.data}`,
      GRPC_PORT: `${port.grpc}`,
      RAFT_PORT: `${port.raft}`,
      RAFT_INTERNAL_RPC_PORT: `${port.rpc}`,
      RAFT_JOIN: Array.from({ length: nodes }, (_, i) => `weaviate-${i}:${ports(i).raft}`).join(),
      RAFT_BOOTSTRAP_EXPECT: `${nodes}`,
      MEMBERLIST_FAST_FAILURE_DETECTION: 'true',
      ...(node > 0 && { CLUSTER_JOIN: `127.0.0.1:${ports(0).gossip}` }),
      ...Object.fromEntries(
        Object.entries(process.env).filter(([name]) => /^(AUTHENTICATION|AUTHORIZATION)_/.test(name)),
      ),
    },
  })
  child.stdout.pipe(log)
  child.stderr.pipe(log)
  running.set(node, child)
  child.once('exit', () => running.get(node) === child && running.delete(node))
}

async function end(node, signal) {
  const child = running.get(node)
  if (!child) return
  child.kill(signal)
  await Promise.race([once(child, 'exit'), pause(20_000)])
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
}

function listen(name, port) {
  const server = createServer((client) => {
    const inner = connect(port, '127.0.0.1')
    client.pipe(inner).pipe(client)
    for (const [one, other] of [
      [client, inner],
      [inner, client],
    ]) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  server.listen(join(sockets, name))
  return once(server, 'listening')
}

/** The first has to listen for the others before these start. */
async function isListening(port) {
  for (let i = 0; i < 300; i++) {
    const socket = connect(port, '127.0.0.1')
    const [is] = await Promise.race([
      once(socket, 'connect').then(() => [true]),
      once(socket, 'close').then(() => [false]),
    ]).catch(() => [false])
    socket.destroy()
    if (is) return
    await pause(100)
  }
  throw new Error('The first Weaviate server does not listen for others.')
}

async function perform({ what, node }) {
  if (what === 'listen') {
    for (let i = 0; i < nodes; i++)
      await Promise.all([listen(`http${i}`, ports(i).http), listen(`grpc${i}`, ports(i).grpc)])
  }
  if (what === 'start') {
    start(node)
    if (node === 0 && nodes > 1) await isListening(ports(0).gossip)
  }
  if (what === 'kill') await end(node, 'SIGKILL')
  if (what === 'stop') await Promise.all([...running.keys()].map((each) => end(each, 'SIGTERM')))
}

if (isolated) spawnSync('ip', ['link', 'set', 'lo', 'up'])
process.on('message', (message) => {
  perform(message).then(
    () => process.send({ of: message.id }),
    (error) => process.send({ of: message.id, error: error.message }),
  )
})
process.on('SIGINT', () => {})
process.on('disconnect', () => {
  for (const child of running.values()) child.kill('SIGKILL')
  process.exit()
})
