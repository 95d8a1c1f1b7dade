// Speed of the numeric kernels with the error beside it: node bench/kernels.mjs [--json file]
//
// Variants of one task take turns inside each round, so that a busy machine slows all of them alike; the minimum over the rounds
// is reported. Compare lines of one run with each other, not runs of two machines.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'tsdown'

const source = (path) => fileURLToPath(new URL(`../packages/core/src/${path}`, import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'serotine-bench-'))
await build({
  config: false,
  entry: {
    maxsim: source('scoring/maxsim.ts'), simd: source('math/simd.ts'), workspace: source('math/workspace.ts'),
    config: source('fde/config.ts'), encode: source('fde/encode.ts'), table: source('math/row-table.ts'), codec: source('math/codec.ts'),
  },
  outDir: folder, format: 'esm', dts: false, clean: false, logLevel: 'silent', platform: 'node',
})
const load = (name) => import(pathToFileURL(join(folder, `${name}.js`)).href).catch(() => import(pathToFileURL(join(folder, `${name}.mjs`)).href))
const [{ MaxSimScorer }, { createKernels }, { Workspace }, { resolveFdeConfig }, { FdeEncoder }, { RowTable }, { quantizeInt8, toF16 }] = await Promise.all(
  ['maxsim', 'simd', 'workspace', 'config', 'encode', 'table', 'codec'].map(load),
)
await rm(folder, { recursive: true })

let state = 42
const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31) - 1
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
/** Milliseconds of each variant: the fastest of `rounds` interleaved runs. */
function race(variants, rounds) {
  const best = Object.fromEntries(Object.keys(variants).map((name) => [name, Infinity]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(variants)) {
      const start = process.hrtime.bigint()
      sink += run()
      best[name] = Math.min(best[name], Number(process.hrtime.bigint() - start) / 1e6)
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
const report = (task, rows) => {
  console.log(`\n${task}`)
  for (const row of rows) {
    console.log(`  ${row.name.padEnd(34)} ${row.ms.toFixed(3).padStart(9)} ms  ${row.rate.padStart(22)}   error ${row.error}`)
    results.push({ task, ...row })
  }
}

// --- MaxSim: 100 documents × 130 tokens, 32 query tokens
for (const dim of [48, 96, 128]) {
  const centres = centresOf(dim)
  const query = tokens(32, dim, centres)
  const documents = Array.from({ length: 100 }, () => tokens(130, dim, centres))
  const exact = documents.map((document) => exactMaxSim(query, document))
  const int8 = documents.map((document) => quantizeInt8(document))
  const f16 = documents.map((document) => toF16(document.data))
  const bytes = (130 * dim + 15) & ~15
  const record = bytes + ((130 * 4 + 15) & ~15)
  const scores = {}
  const keep = (name, list) => ((scores[name] = list), list[0])
  const scorers = (simd) => {
    const workspace = new Workspace(createKernels({ simd }))
    return () => new MaxSimScorer(query, workspace)
  }
  const [wasm, scalar] = [scorers(true), scorers(false)]
  const variants = {
    'SIMD f32': () => { const s = wasm(); return keep('SIMD f32', documents.map((d) => s.score(d))) },
    'SIMD f32, one arena': () => {
      const s = wasm()
      const arena = s.arena(documents.length * 130 * dim * 4)
      documents.forEach((d, i) => arena.set(new Uint8Array(d.data.buffer), i * 130 * dim * 4))
      return keep('SIMD f32, one arena', documents.map((_, i) => s.scoreF32At(i * 130 * dim * 4, 130)))
    },
    'SIMD f16': () => { const s = wasm(); return keep('SIMD f16', f16.map((halves) => s.scoreF16(halves))) },
    'SIMD int8': () => { const s = wasm(); return keep('SIMD int8', int8.map((d) => s.scoreInt8(d.codes, d.scales))) },
    'SIMD int8, one arena': () => {
      const s = wasm()
      const arena = s.arena(documents.length * record)
      int8.forEach((d, i) => {
        arena.set(new Uint8Array(d.codes.buffer), i * record)
        arena.set(new Uint8Array(d.scales.buffer), i * record + bytes)
      })
      return keep('SIMD int8, one arena', int8.map((_, i) => s.scoreInt8At(i * record, i * record + bytes, 130)))
    },
  }
  const slow = { 'plain TypeScript f32': () => { const s = scalar(); return keep('plain TypeScript f32', documents.map((d) => s.score(d))) } }
  const times = { ...race(variants, 60), ...race(slow, 5) }
  report(`MaxSim, 100 documents × 130 × ${dim}, 32 query tokens, packing and copying included`, Object.entries(times).map(([name, ms]) => ({
    name, ms,
    rate: `${((2 * 32 * 130 * dim * 100) / ms / 1e6).toFixed(1)} Gop/s`,
    error: `${Math.max(...scores[name].map((score, i) => Math.abs(score - exact[i]) / exact[i])).toExponential(1)} relative`,
  })))
}

// --- FDE encoding
for (const [preset, dim] of [['small', 128], ['compact', 128], ['compact', 48], ['quality', 128], ['paper', 128]]) {
  const centres = centresOf(dim)
  const document = tokens(128, dim, centres)
  const config = resolveFdeConfig({ dim, preset })
  const encoders = Object.fromEntries([true, false].map((simd) => [simd, new FdeEncoder(config, {}, {}, new Workspace(createKernels({ simd })))]))
  const query = tokens(32, dim, centres)
  const times = {
    ...race({ 'SIMD document': () => encoders.true.encodeDocument(document)[0], 'SIMD query, 32 tokens': () => encoders.true.encodeQuery(query)[0] }, 300),
    ...race({ 'plain TypeScript document': () => encoders.false.encodeDocument(document)[0] }, 20),
  }
  const [a, b] = [encoders.true.encodeDocument(document), encoders.false.encodeDocument(document)]
  const difference = a.reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i])), 0)
  report(`FDE ${preset}, 128 tokens × ${dim} → ${config.finalDim || a.length}`, Object.entries(times).map(([name, ms]) => ({
    name, ms, rate: `${Math.round(1000 / ms)} per second`, error: `${difference} SIMD against plain`,
  })))
}

// --- exact scan of FDEs
for (const dim of [2560, 10240]) {
  const count = 5000
  const query = Float32Array.from({ length: dim }, random)
  const tables = { f32: new RowTable(dim, 'f32'), int8: new RowTable(dim, 'int8') }
  const exact = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const row = Float32Array.from({ length: dim }, random)
    exact[i] = row.reduce((sum, x, k) => sum + x * query[k], 0)
    for (const table of Object.values(tables)) table.append(row)
  }
  const scores = {}
  const times = race(Object.fromEntries(Object.entries(tables).map(([codec, table]) => [codec, () => (scores[codec] = table.scores(query))[0]])), 20)
  const spread = Math.sqrt(exact.reduce((sum, x) => sum + x * x, 0) / count)
  report(`Inner products, ${count} rows × ${dim}`, Object.entries(times).map(([name, ms]) => ({
    name, ms, rate: `${Math.round(count / ms)} rows/ms`,
    error: `${(Math.max(...scores[name].map((x, i) => Math.abs(x - exact[i]))) / spread).toExponential(1)} of the spread`,
  })))
}

if (sink === Infinity) console.log(sink) // keep the work observable
const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length }
console.log(`\n${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`)
const at = process.argv.indexOf('--json')
if (at > 0) await writeFile(process.argv[at + 1], `${JSON.stringify({ machine, seed: 42, command: 'node bench/kernels.mjs', results }, null, 2)}\n`)
