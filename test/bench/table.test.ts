import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
// @ts-expect-error a script without types
import { fillTables } from '../../bench/table.mjs'

const result = {
  kind: 'retrieval',
  date: '2026-11-21',
  dataset: { name: 'mini', documents: 5183, queries: 300 },
  model: { name: 'tiny' },
  machine: { cpu: 'CPU', cores: 2 },
  versions: { node: '20.20.2' },
  index: { bytes: 123_400_000, codec: 'int8', buildSeconds: 61.2 },
  encodeQueryMs: 1.26,
  methods: [
    { name: 'BM25', metrics: { 'ndcg@10': 0.67592, 'recall@100': 0.9287 }, cpuMs: 3.04 },
    { name: 'exact', metrics: { 'ndcg@10': 0.66561, 'recall@100': 0.9 }, exactTop10: 1, cpuMs: 62.3 },
  ],
}

describe('fillTables', () => {
  it('fills the named block and touches nothing else', () => {
    const text = 'before\n<!-- bench:mini -->\nold\n<!-- /bench:mini -->\nafter\n'
    const filled = fillTables(text, { mini: result })
    expect(filled).toMatch(/^before\n<!-- bench:mini -->\n\| +\| nDCG@10/)
    expect(filled).toContain('| BM25 | 0.6759 | 0.929 | – | 3.0 |')
    expect(filled).toContain('| exact | 0.6656 | 0.900 | 1.000 | 62 |')
    expect(filled).toContain('5,183 documents')
    expect(filled).toMatch(/<!-- \/bench:mini -->\nafter\n$/)
    expect(fillTables(filled, { mini: result })).toBe(filled)
  })

  it('shows accuracy by length', () => {
    const rows = [{ task: 'passkey', 'accuracy@1': { 256: 1, 32768: 0.02 } }]
    const longEmbed = {
      ...result,
      kind: 'long-embed',
      model: { name: 'tiny', documentLength: 300 },
      queries: 50,
      documents: 100,
      rows,
    }
    const filled = fillTables('<!-- bench:long -->\n<!-- /bench:long -->', { long: longEmbed })
    expect(filled).toContain('| accuracy@1 at tokens | 256 | 32,768 |')
    expect(filled).toContain('| passkey | 1.00 | 0.02 |')
  })

  it('shows single vectors beside MaxSim, by collection', () => {
    const [, exact] = result.methods
    const collections = [
      { name: 'mini', documents: 5183, queries: 300, methods: [{ ...exact, name: 'vectors' }, exact] },
    ]
    const vectors = { label: 'MiniLM', dtype: 'q8', pooling: 'mean' }
    const single = { ...result, kind: 'single-vector', vectors, collections }
    const filled = fillTables('<!-- bench:one -->\n<!-- /bench:one -->', { one: single })
    expect(filled).toContain('| --- | --- | ---: | ---: |')
    expect(filled).toContain('| mini | vectors | 0.6656 | 0.900 |')
    expect(filled).toContain(
      'MiniLM, mean of its token vectors, compared by cosine; MaxSim by tiny. mini: 5,183 documents, 300 queries.',
    )
  })

  it('leaves an empty block empty while there is no result', () => {
    const text = '<!-- bench:mini -->\n<!-- /bench:mini -->'
    expect(fillTables(text, {})).toBe(text)
  })

  it('refuses numbers without a result and a result no table shows', () => {
    const text = '<!-- bench:mini -->\n| numbers |\n<!-- /bench:mini -->'
    expect(() => fillTables(text, {}, 'README.md')).toThrow(/README\.md asks for bench:mini/)
    expect(() => fillTables(text, { mini: { kind: 'x' } })).toThrow(/kind "x"/)
  })
})

it('the tables in README and docs are the committed results', () => {
  const script = fileURLToPath(new URL('../../bench/table.mjs', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
  expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: '' })
})
