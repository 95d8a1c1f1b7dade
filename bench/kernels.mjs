// Speed of the numeric kernels, with their error.
//
//   node bench/kernels.mjs [--name kernels]
//
// Variants of one task take turns inside each round, so that a busy machine slows all of them alike; the minimum over the rounds
// is reported. Compare lines of one run with each other, not runs of two machines.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'tsdown'
import { environment, round, saveResult } from './environment.mjs'

const { values: options } = parseArgs({ options: { name: { type: 'string', default: 'kernels' } } })

// The kernels are not exported by the package: they are bundled from source.
const folder = await mkdtemp(join(tmpdir(), 'serotine-bench-'))
const entries = [
  'scoring/maxsim',
  'math/simd',
  'math/workspace',
  'fde/config',
  'fde/encode',
  'embedded/stages/fde/fde-rows',
  'store/records',
]
const nameOf = (entry) => entry.replaceAll('/', '-')
await build({
  config: false,
  entry: Object.fromEntries(
    entries.map((entry) => [
      nameOf(entry),
      fileURLToPath(new URL(`../packages/core/src/${entry}.ts`, import.meta.url)),
    ]),
  ),
  outDir: folder,
  format: 'esm',
  outExtensions: () => ({ js: '.mjs' }),
  dts: false,
  clean: false,
  logLevel: 'silent',
  platform: 'node',
})
const modules = await Promise.all(
  entries.map((entry) => import(pathToFileURL(join(folder, `${nameOf(entry)}.mjs`)).href)),
)
const [{ MaxSimScorer }, { createKernels }, { Workspace }, { resolveFdeConfig }, { FdeEncoder }, fdeRows, codec] =
  modules
await rm(folder, { recursive: true })

let state = 42
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1
/** Unit-length tokens around a few shared directions, so that similarities spread as those of a model do. */
function tokens(length, dim, centres) {
  const data = new Float32Array(length * dim)
  for (let i = 0; i < length; i++) {
    const centre = centres[Math.floor((random() + 1) * 0.5 * centres.length)]
    const row = data.subarray(i * dim, (i + 1) * dim)
    for (let k = 0; k < dim; k++) row[k] = centre[k] + 0.8 * random()
    const norm = Math.hypot(...row)
    for (let k = 0; k < dim; k++) row[k] /= norm
  }
  return { data, length, dim }
}
const centresOf = (dim) => Array.from({ length: 64 }, () => Float32Array.from({ length: dim }, random))

let sink = 0
/** Milliseconds of each variant, wall or CPU time, whichever is less: the fastest of `rounds` interleaved runs. */
function race(variants, rounds) {
  const best = Object.fromEntries(Object.keys(variants).map((name) => [name, Infinity]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(variants)) {
      const cpu = process.cpuUsage()
      const start = process.hrtime.bigint()
      sink += run()
      const wall = Number(process.hrtime.bigint() - start) / 1e6
      const { user, system } = process.cpuUsage(cpu)
      // On a busy machine the wall clock counts the others' turns; the CPU clock does not. Too coarse below a millisecond.
      const busy = (user + system) / 1000
      best[name] = Math.min(best[name], wall, busy > 1 ? busy : Infinity)
    }
  }
  return best
}

function exactMaxSim(query, document) {
  let sum = 0
  for (let q = 0; q < query.length; q++) {
    let best = -Infinity
    for (let d = 0; d < document.length; d++) {
      let dot = 0
      for (let k = 0; k < query.dim; k++) dot += query.data[q * query.dim + k] * document.data[d * query.dim + k]
      best = Math.max(best, dot)
    }
    sum += best
  }
  return sum
}

const results = []
/** Prints a task's variants and keeps them for the result file. */
const report = (task, rows) => {
  console.log(`\n${task}`)
  for (const row of rows) {
    console.log(
      `  ${row.name.padEnd(34)} ${row.ms.toFixed(3).padStart(9)} ms  ${row.rate.padStart(22)}   error ${row.error}`,
    )
  }
  results.push({ task, rows: rows.map((row) => ({ ...row, ms: round(row.ms) })) })
}

// --- MaxSim: 100 documents × 130 tokens, 32 query tokens
for (const dim of [48, 96, 128]) {
  const centres = centresOf(dim)
  const query = tokens(32, dim, centres)
  const documents = Array.from({ length: 100 }, () => tokens(130, dim, centres))
  const exact = documents.map((document) => exactMaxSim(query, document))
  const workspaces = {
    SIMD: new Workspace(createKernels()),
    'plain TypeScript': new Workspace(createKernels({ simd: false })),
  }
  const scores = {}
  /** Reads all records into one arena and scores them there, as a search does. */
  const variant = (kernels, form) => {
    const records = documents.map((document) => codec.encodeRecord(form, document))
    const step = codec.recordBytes(form, 130, dim)
    const scales = codec.scaleOffset(130, dim)
    const run = () => {
      const scorer = new MaxSimScorer(query, workspaces[kernels])
      const arena = scorer.arena(documents.length * step)
      records.forEach((record, i) => arena.set(record, i * step))
      scores[`${kernels}, ${form}`] = documents.map((_, i) => {
        if (form === 'int8') return scorer.scoreInt8At(i * step, i * step + scales, 130)
        return form === 'f16' ? scorer.scoreF16At(i * step, 130) : scorer.scoreF32At(i * step, 130)
      })
      return scores[`${kernels}, ${form}`][0]
    }
    return [`${kernels}, ${form}`, run]
  }
  const times = {
    ...race(Object.fromEntries(['f32', 'f16', 'int8'].map((form) => variant('SIMD', form))), 60),
    ...race(Object.fromEntries([variant('plain TypeScript', 'f32')]), 5),
  }
  report(
    `MaxSim, 100 documents × 130 × ${dim}, 32 query tokens, packing and copying included`,
    Object.entries(times).map(([name, ms]) => ({
      name,
      ms,
      rate: `${((2 * 32 * 130 * dim * 100) / ms / 1e6).toFixed(1)} Gop/s`,
      error: `${Math.max(...scores[name].map((score, i) => Math.abs(score - exact[i]) / exact[i])).toExponential(1)} relative`,
    })),
  )
}

// --- FDE encoding
for (const [preset, dim] of [
  ['small', 128],
  ['compact', 128],
  ['compact', 48],
  ['quality', 128],
  ['paper', 128],
]) {
  const centres = centresOf(dim)
  const document = tokens(128, dim, centres)
  const config = resolveFdeConfig({ dim, preset })
  const encoders = Object.fromEntries(
    [true, false].map((simd) => [simd, new FdeEncoder(config, {}, {}, new Workspace(createKernels({ simd })))]),
  )
  const query = tokens(32, dim, centres)
  const times = {
    ...race(
      {
        'SIMD document': () => encoders.true.encodeDocument(document)[0],
        'SIMD query, 32 tokens': () => encoders.true.encodeQuery(query)[0],
      },
      300,
    ),
    ...race({ 'plain TypeScript document': () => encoders.false.encodeDocument(document)[0] }, 20),
  }
  const [a, b] = [encoders.true.encodeDocument(document), encoders.false.encodeDocument(document)]
  const difference = a.reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i])), 0)
  report(
    `FDE ${preset}, 128 tokens × ${dim} → ${config.finalDim || a.length}`,
    Object.entries(times).map(([name, ms]) => ({
      name,
      ms,
      rate: `${Math.round(1000 / ms)} per second`,
      error: `${difference} SIMD against plain`,
    })),
  )
}

// --- exact scan of FDEs
for (const dim of [2560, 10240]) {
  const count = 5000
  const query = Float32Array.from({ length: dim }, random)
  const rows = new fdeRows.FdeRows(dim)
  const exact = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const row = Float32Array.from({ length: dim }, random)
    exact[i] = row.reduce((sum, x, k) => sum + x * query[k], 0)
    rows.append(fdeRows.encodeFdeRow(row))
  }
  let products
  const { int8: ms } = race({ int8: () => (products = rows.innerProducts(query))[0] }, 30)
  const largest = Math.max(...products.map((x, i) => Math.abs(x - exact[i])))
  const deviation = Math.sqrt(exact.reduce((sum, x) => sum + x * x, 0) / count)
  report(`Inner products, ${count} rows × ${dim}`, [
    {
      name: 'SIMD, int8',
      ms,
      rate: `${Math.round(count / ms)} rows/ms`,
      error: `${(largest / deviation).toExponential(1)} of the standard deviation`,
    },
  ])
}

if (sink === Infinity) console.log(sink) // keep the work observable
const result = { kind: 'kernels', ...(await environment()), seed: 42, results }
console.log(`\nwritten to ${await saveResult(options.name, result)}`)
