// `npm run engines:up -- <name>` starts a database for trying things out and stops it with Ctrl-C. A file of scripts/engines is one.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { once } from 'node:events'
import { join, resolve } from 'node:path'

const folder = new URL('engines/', import.meta.url)
const [name, data] = process.argv.slice(2)
if (!name || !existsSync(new URL(`${name}.mjs`, folder))) {
  const files = readdirSync(folder).filter((file) => file.endsWith('.mjs') && !file.includes('keeper'))
  const names = files.map((file) => file.replace(/\.mjs$/, ''))
  console.error(`Usage: npm run engines:up -- <name> [folder]. Names: ${names.join(', ')}.`)
  process.exit(1)
}
const { up } = await import(new URL(`${name}.mjs`, folder))
if (data) mkdirSync(resolve(data), { recursive: true })
const engine = await up(data ? { folder: join(resolve(data)) } : {})
for (const { url, grpc } of engine.nodes ?? [engine]) console.log(grpc ? `${url}, gRPC ${grpc}` : url)
if (engine.grpc) {
  const address = `weaviate://${new URL(engine.url).host}/Passages?grpc=${engine.grpc.split(':').at(-1)}`
  console.log(`--store '${address}'`)
}
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
await engine.stop()
