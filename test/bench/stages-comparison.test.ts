import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { compareStages } from '../../bench/stages/compare.js'
import { encodedCollection } from '../../bench/stages/encoded.js'
import { FUSIONS, hybridLists, meanDifference } from '../../bench/stages/hybrid.js'
import { KeywordStage } from '../../bench/stages/keyword-stage.js'
import { formatStagesReport } from '../../bench/stages/report.js'
import type { ComparisonRun } from '../../bench/stages/report.js'
// @ts-expect-error a script without types
import { hybridTable, stagesTable, summarise } from '../../bench/stages/table.mjs'
import type { Encoder } from '../../packages/core/src/encoder.js'
import { collection } from './stages-collection.js'

const { documents, queries, store } = collection(240, 6)
const ids = documents.map((_, i) => `d${i}`)

/** Knows one document, whatever is asked. */
const keywords = new KeywordStage(() => ({ search: () => [{ id: 'd3', score: 2 }] }), ids, 480)

async function comparison(only: RegExp) {
  const asked = queries.map((_, i) => ({ id: `q${i}`, text: '' }))
  const qrels = new Map(asked.map(({ id }, i) => [id, new Map([[`d${i * 7}`, 1]])]))
  const encoded = { documents: store, queries }
  return compareStages({ documents: ids, queries: asked, qrels }, encoded, keywords, { candidates: [50, 240], only })
}

describe('compareStages', () => {
  it('says what candidates keep of exact MaxSim', async () => {
    const { exact, stages, hybrid, tokens } = await comparison(/^mean|BM25/)
    expect(tokens).toBe(1440)
    expect(exact.ndcg).toBeGreaterThan(0.9)
    const [mean, bm25] = stages
    expect(stages.map(({ name }) => name)).toEqual(['mean vector, int8', 'BM25'])
    // All documents are candidates: nothing can be missing.
    expect(mean!.candidates['240']).toEqual({ exactTop10: 1, ndcg: exact.ndcg })
    expect(mean!.candidates['50']!.exactTop10).toBeLessThan(1)
    expect(mean!.bytesPerDocument).toBe(36)
    expect(bm25!.candidates['240']!.ndcg).toBe(0)
    expect(bm25!.bytesPerDocument).toBe(16)
    expect(hybrid.map(({ name }) => name)).toEqual(['BM25 alone', ...Object.keys(FUSIONS)])
    expect(hybrid[0]).toMatchObject({ ndcg: 0, difference: { mean: -exact.ndcg } })
  })
})

describe('hybrid', () => {
  it('scores the keyword candidates by MaxSim too', () => {
    const maxSim = [5, 4, 3, 2, 1].map((score) => ({ id: `d${score}`, score }))
    const bm25 = [
      { id: 'd1', score: 9 },
      { id: 'd4', score: 8 },
    ]
    expect(hybridLists(bm25, maxSim, 1)).toEqual([[bm25[0]], [maxSim[0], maxSim[4]]])
  })

  it('knows how certain a difference is', () => {
    expect(meanDifference([1, 1, 1], [0, 0, 0])).toEqual({ mean: 1, error: 0 })
    const { mean, error } = meanDifference([1, 0, 1, 0], [0, 1, 0, 0])
    expect(mean).toBe(0.25)
    expect(error).toBeCloseTo(Math.sqrt(11 / 12 / 4), 10)
  })
})

it('encoded tokens are kept, and made again for another model', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serotine-stages-'))
  let calls = 0
  const encoder = (fingerprint: string): Encoder => ({
    dim: 32,
    fingerprint,
    name: 'fake',
    encodeDocuments: async (texts) => (calls++, texts.map((_, i) => documents[i]!)),
    encodeQueries: async (texts) => texts.map((_, i) => queries[i]!),
  })
  try {
    const encode = (model: Encoder) => encodedCollection(folder, 'mini', model, ['a', 'b'], ['c'])
    const made = await encode(encoder('one'))
    const read = await encode(encoder('one'))
    expect(calls).toBe(1)
    expect(read).toEqual(made)
    expect(read.queries[0]).toEqual(queries[0])
    expect([...read.documents.lengths]).toEqual([6, 6])
    await encode(encoder('two'))
    expect(calls).toBe(2)
    expect(readdirSync(folder)).toHaveLength(2)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('tables', () => {
  const machine = { cpu: 'CPU', cores: 2, os: 'Linux', loadAverage: 1 }
  const about = { date: '2026-11-21', command: 'node', machine, versions: { node: '20' } }
  const run = (label: string, name: string, count: number, ndcg: number): ComparisonRun => ({
    model: { label, settings: `<${label}>` },
    collection: { name, documents: count, queries: 2 },
    tokens: 10,
    meanNorm: 0.5,
    exact: { ndcg: 0.5, cpuMs: 20, bytesPerDocument: 100 },
    rerank100Ms: 2,
    stages: [
      {
        name: 'sphere small, 1,280, int8',
        group: 'sphere',
        bytesPerDocument: 1284,
        buildSeconds: 3,
        cpuMs: 0.5,
        candidates: { 50: { exactTop10: 0.5, ndcg }, 100: { exactTop10: 0.8, ndcg } },
      },
    ],
    hybrid: [{ name: 'BM25 alone', ndcg: 0.4, difference: { mean: -0.1, error: 0.02 } }],
  })
  const runs = [
    run('a', 'scifact', 5000, 0.49),
    run('a', 'adi', 82, 0.1),
    run('a', 'xquad', 240, 0.45),
    run('b', 'scifact', 5000, 0.51),
  ]

  it('leave out collections in which every document is a candidate', () => {
    const { stages } = summarise(runs)
    expect(stages[0].models.get('a')).toMatchObject({ collection: 'xquad', found: 0.8 })
    expect(stages[0].models.get('a').worst).toBeCloseTo(0.1, 10)
    expect(stages[0].models.get('a').mean).toBeCloseTo(0.06, 10)
    expect(stages[0].models.get('b').worst).toBeCloseTo(-0.02, 10)
  })

  it('show worst and mean loss, costs of the largest collection, and which differences are certain', () => {
    const table = stagesTable({ ...about, runs }, 'stages')
    expect(table).toContain('| sphere small, 1,280, int8 | 1,284 | 0.5 | 3.0 | 10.0 (6.0) | −2.0 (−2.0) |')
    expect(hybridTable({ ...about, runs }, 'stages-hybrid')).toContain('| a | scifact | 0.500 | 0.400 ▼ |')
  })

  it('and the page escapes what it is given', () => {
    const page = formatStagesReport({ ...about, runs }, summarise)
    expect(page).toContain('&#60;a&#62;')
    expect(page).not.toMatch(/<a>|NaN|undefined/)
    expect(page).toContain('<svg')
  })
})

it('the committed page is made of the committed results', () => {
  const script = fileURLToPath(new URL('../../bench/stages.mjs', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
  expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: '' })
})
