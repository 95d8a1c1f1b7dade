// Runs what a cell built, and takes the time to the first hit.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

const PATIENCE_MS = 180_000

/** Starts a script with lists of options; one result each, and the seconds to the first. */
export async function runScript(command, args, cwd, options, env) {
  const started = performance.now()
  const child = spawn(command, [...args, ...options.map((each) => JSON.stringify(each))], { cwd, env })
  const { stop, errors } = watch(child)
  const results = []
  let seconds
  for await (const line of createInterface({ input: child.stdout })) {
    seconds ??= (performance.now() - started) / 1000
    results.push(JSON.parse(line))
  }
  stop()
  if (results.length < options.length) throw new Error(`${command} ${args.join(' ')} ended early: ${errors()}`)
  return { results, seconds }
}

/** Starts a server and asks its route; one result for each list of options, and the seconds to the first. */
export async function runServer(command, args, cwd, options, env) {
  const port = await freePort()
  const started = performance.now()
  const child = spawn(command, args, { cwd, env: { ...env, PORT: String(port), HOSTNAME: '127.0.0.1' } })
  const { stop, errors } = watch(child)
  child.stdout.resume()
  try {
    const results = []
    let seconds
    for (const each of options) {
      const query = new URLSearchParams({ options: JSON.stringify(each) })
      results.push(await ask(`http://127.0.0.1:${port}/search?${query}`, child, errors))
      seconds ??= (performance.now() - started) / 1000
    }
    return { results, seconds }
  } finally {
    stop()
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
}

async function ask(url, child, errors) {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The server ended: ${errors()}`)
    const response = await fetch(url).catch(() => undefined)
    if (response?.ok) return response.json()
    if (response && response.status >= 500) throw new Error(`${url} answers ${response.status}: ${errors()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function watch(child) {
  let errors = ''
  child.stderr.on('data', (data) => (errors += data))
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  return { stop: () => clearTimeout(timer), errors: () => errors.slice(-2000) }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
