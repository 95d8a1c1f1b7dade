// One PGlite for all cases of a file: starting one takes seconds. Half of them go into a new cluster, which is kept for the next.
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { extract } from 'tar'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const { devDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>
}
const CACHE = join(ROOT, '.cache', 'pglite')
/** A cluster in which nothing was made yet, as a tar. */
const CLUSTER = join(CACHE, `${devDependencies['@electric-sql/pglite']}.tar`)

let started: Promise<PGlite> | undefined

export function pglite(): Promise<PGlite> {
  return (started ??= start())
}

export async function stopPglite(): Promise<void> {
  await (await started)?.close()
  started = undefined
}

/** Puts a new cluster into a folder, as PGlite makes one. */
export async function newCluster(folder: string): Promise<void> {
  await pglite()
  await mkdir(folder, { recursive: true })
  await extract({ file: CLUSTER, cwd: folder })
}

/** The tar of `CLUSTER`. Whoever is first makes it. */
async function start(): Promise<PGlite> {
  const kept = await readFile(CLUSTER).catch(() => undefined)
  if (kept) return PGlite.create({ extensions: { vector }, loadDataDir: new Blob([kept]) })
  const database = await PGlite.create({ extensions: { vector } })
  const tar = await database.dumpDataDir('none')
  await mkdir(CACHE, { recursive: true })
  const own = `${CLUSTER}.${randomUUID()}`
  await writeFile(own, Buffer.from(await tar.arrayBuffer()))
  await rename(own, CLUSTER)
  return database
}
