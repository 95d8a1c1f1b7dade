// The install matrix: every bundler and runtime, from packed packages in empty folders.
//
//   npm run matrix                    all cells, into bench/results/install-matrix.json
//   npm run matrix -- --only=Next,Bun  those whose name contains one of these; the other results stay as they are
//   npm run matrix -- --keep=FOLDER   works in FOLDER, and leaves it for the next time
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { environment, saveResult } from '../../../bench/environment.mjs'
import { CELLS, PROJECTS, RUNTIMES } from './cells.mjs'
import { install, pack, sizeOf } from './packed.mjs'
import { runScript, runServer } from './programs.mjs'

const execute = promisify(execFile)
const { values: flags } = parseArgs({ options: { only: { type: 'string', default: '' }, keep: { type: 'string' } } })
const fixtures = fileURLToPath(new URL('fixtures', import.meta.url))
const file = fileURLToPath(new URL('../../../bench/results/install-matrix.json', import.meta.url))
/** Tried in each cell: as it comes, in a worker, on WebAssembly, and on WebAssembly in a worker. */
const TRIES = [{}, { workers: 1 }, { runtime: 'wasm' }, { runtime: 'wasm', workers: 1 }]

const work = flags.keep ? resolve(flags.keep) : await realpath(await mkdtemp(join(tmpdir(), 'serotine-matrix-')))
await mkdir(work, { recursive: true })
const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env
const env = { ...inherited, NEXT_TELEMETRY_DISABLED: '1', CI: '1' }
/** Programs run with an empty home, in which ONNX Runtime would leave traces of its telemetry. */
const home = join(work, 'home')
const cells = CELLS.filter(({ name }) => flags.only.split(',').some((part) => name.includes(part)))
const before = existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : { rows: [] }

const packed = await pack(work)
const projects = {}
for (const name of new Set(cells.map(({ project }) => project))) {
  console.error(`installing ${name}`)
  const folder = join(work, name)
  await rm(join(folder, 'node_modules/@serotine'), { recursive: true, force: true })
  await rm(join(folder, 'package-lock.json'), { force: true })
  projects[name] = { folder, ...(await install(folder, packed, PROJECTS[name])) }
  await cp(name === 'next' ? join(fixtures, 'next') : fixtures, folder, { recursive: true })
  await cp(join(fixtures, 'search.mjs'), join(folder, 'search.mjs'))
}
const runtimes = cells.some(({ runtime }) => runtime && runtime !== `node-${process.versions.node}`)
  ? await installRuntimes()
  : {}

const rows = []
for (const cell of cells) {
  console.error(cell.name)
  const row = await tryCell(cell).catch((error) => ({ name: cell.name, error: String(error.message).slice(0, 2000) }))
  console.error(JSON.stringify(row))
  rows.push(row)
  await save()
}
if (!flags.keep) await rm(work, { recursive: true })
if (rows.some(({ error }) => error)) process.exitCode = 1

async function save() {
  const { plain = before.install } = projects
  await saveResult('install-matrix', {
    kind: 'install-matrix',
    ...(await environment()),
    command: 'npm run matrix',
    platform: `${process.platform} ${process.arch}`,
    install: plain && { bytes: plain.bytes, seconds: plain.seconds },
    rows: CELLS.flatMap(({ name }) => [...rows, ...before.rows].find((row) => row.name === name) ?? []),
  })
}

async function installRuntimes() {
  const folder = join(work, 'runtimes')
  await mkdir(folder, { recursive: true })
  const wanted = Object.entries(RUNTIMES).map(([name, version]) => `${name}@${version}`)
  await execute('npm', ['install', '--prefix', folder, '--ignore-scripts', '--loglevel=error', ...wanted])
  const modules = join(folder, 'node_modules')
  return {
    ...Object.fromEntries(Object.keys(RUNTIMES).map((name) => [name, [join(modules, name, 'bin/node')]])),
    bun: [join(modules, 'bun/bin/bun')],
    deno: [join(modules, 'deno/deno'), 'run', '--allow-all'],
  }
}

async function tryCell(cell) {
  const isNext = cell.project === 'next'
  const { folder } = projects[cell.project]
  const output = join(folder, isNext ? '.next' : 'out')
  await rm(output, { recursive: true, force: true })
  if (isNext) await chooseConfig(folder, cell.config)
  if (cell.build) {
    const [tool, ...args] = cell.build
    await execute(join(folder, 'node_modules/.bin', tool), args, { cwd: folder, env, maxBuffer: 1 << 26 })
  }
  const place = cell.alone ? await alone(folder, cell.alone) : folder
  // What the next build starts from is no part of this one.
  await rm(join(output, 'cache'), { recursive: true, force: true })
  // In the empty folder nothing may be found that was not copied.
  const hidden = join(folder, 'node_modules.hidden')
  if (cell.alone) await execute('mv', [join(folder, 'node_modules'), hidden])
  await rm(home, { recursive: true, force: true })
  await mkdir(home)
  const ownHome = { ...env, HOME: home, XDG_CACHE_HOME: join(home, '.cache') }
  try {
    const started = isNext
      ? await runServer(
          process.execPath,
          cell.alone ? ['server.js'] : ['node_modules/next/dist/bin/next', 'start'],
          place,
          TRIES,
          ownHome,
        )
      : await runScript(...commandOf(cell), place, TRIES, ownHome)
    if (existsSync(join(home, '.cache/Microsoft'))) throw new Error('ONNX Runtime keeps telemetry.')
    return {
      name: cell.name,
      ...judge(cell, started),
      ...(cell.build && { bytes: await sizeOf(cell.alone ? place : output) }),
    }
  } finally {
    if (cell.alone) await execute('mv', [hidden, join(folder, 'node_modules')])
  }
}

function commandOf({ runtime, run }) {
  const [command, ...args] = runtimes[runtime] ?? [process.execPath]
  return [command, [...args, run]]
}

/** All four tries find the same text with the same score; WebAssembly adds in another order. */
function judge(cell, { results, seconds }) {
  const [first] = results
  for (const [i, result] of results.entries()) {
    const what = `${JSON.stringify(TRIES[i])} gave ${JSON.stringify(result)}`
    if (result.error || result.id !== 'kiwi' || Math.abs(result.score - first.score) > 1e-3) throw new Error(what)
    const expected = cell.native === false || TRIES[i].runtime === 'wasm' ? 'wasm' : 'native'
    if (result.runtime !== expected) throw new Error(`${what}, and should run on ${expected}`)
  }
  return { runtime: first.runtime, seconds }
}

async function chooseConfig(folder, config) {
  await rm(join(folder, 'next.config.mjs'), { force: true })
  if (config) await cp(join(fixtures, 'next', config), join(folder, 'next.config.mjs'))
}

/** Copies to an empty folder: [from, to] pairs, or a folder; the contents of a standalone server come without their path. */
async function alone(folder, wanted) {
  const place = join(work, 'alone')
  await rm(place, { recursive: true, force: true })
  for (const each of wanted) {
    const [from, to] = typeof each === 'string' ? [each, each === '.next/standalone' ? '.' : each] : each
    await mkdir(dirname(join(place, to)), { recursive: true })
    await cp(join(folder, from), join(place, to), { recursive: true, verbatimSymlinks: true })
  }
  return place
}
