// What a result must carry so that someone else can judge it: machine, versions, command, date.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { cpus, loadavg, totalmem, type, release } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const PACKAGES = ['onnxruntime-node', 'hnswlib-node']

export async function environment() {
  const require = createRequire(join(root, 'packages/core/package.json'))
  const versions = {}
  for (const name of PACKAGES) {
    const version = await versionOf(require, name)
    if (version) versions[name] = version
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    command: ['node', `bench/${basename(process.argv[1])}`, ...process.argv.slice(2)].join(' '),
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGB: Math.round(totalmem() / 2 ** 30),
      os: `${type()} ${release().split('-')[0]}`,
      // Other work on the machine makes every time an upper bound.
      loadAverage: Number(loadavg()[0].toFixed(1)),
    },
    versions: { node: process.versions.node, ...versions },
  }
}

async function versionOf(require, name) {
  try {
    // package.json may not be exported, so it is looked for above the entry.
    let folder = require.resolve(name)
    while (!folder.endsWith(`node_modules/${name}`)) {
      const parent = join(folder, '..')
      if (parent === folder) return undefined
      folder = parent
    }
    return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')).version
  } catch {
    return undefined
  }
}

/** Writes `bench/results/<name>.json` and returns its path. */
export async function saveResult(name, result) {
  const folder = join(root, 'bench/results')
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${name}.json`)
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`)
  return file
}

/** Minimum, median, mean and standard deviation of a list of numbers. */
export function spread(values) {
  const median = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  return { min: round(Math.min(...values)), median: round(median), mean: round(mean), sd: round(sd) }
}

/** Four significant digits: what such measurements can carry. */
export function round(value) {
  return Number(value.toPrecision(4))
}
