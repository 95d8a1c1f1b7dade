import { describe, expect, it } from 'vitest'
import { formatReport } from '../../packages/cli/src/report/report.js'
import type { ReportCollection, ReportMethod } from '../../packages/cli/src/report/report.js'

const rerank = (preset: string, candidates: number, ndcg: number, fdeLength: number): ReportMethod => ({
  name: `MUVERA ${preset}, exact MaxSim of ${candidates}`,
  series: `MUVERA ${preset}`,
  candidates,
  fdeLength,
  bytesPerDocument: 20_000 + fdeLength,
  metrics: { 'ndcg@10': ndcg, 'recall@100': 0.9 },
  exactTop10: 0.8,
  cpuMs: 3.21,
})

const collection: ReportCollection = {
  name: 'birds',
  split: 'dev',
  documents: 5183,
  queries: 1,
  model: 'tiny',
  methods: [
    { name: 'BM25', metrics: { 'ndcg@10': 0.6, 'recall@100': 0.85 }, exactTop10: 0.7 },
    {
      name: 'all of them',
      metrics: { 'ndcg@10': 0.8, 'recall@100': 0.95 },
      exactTop10: 1,
      bytesPerDocument: 20_000,
      cpuMs: 149,
    },
    rerank('compact', 10, 0.7, 2560),
    rerank('compact', 100, 0.76, 2560),
    rerank('quality', 10, 0.72, 10_240),
    rerank('quality', 100, 0.78, 10_240),
  ],
}

const rowOf = (html: string, name: string): string[] => {
  const row = html.split('<tr').find((part) => part.includes(`<td>${name}</td>`))!
  return [...row.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell!)
}

describe('formatReport', () => {
  it('tabulates the methods, those with many numbers of candidates once', () => {
    const html = formatReport({ collections: [collection] })
    expect(rowOf(html, 'BM25')).toEqual(['BM25', '0.6000', '75.0 %', '0.850', '0.700', '–', '–'])
    expect(rowOf(html, 'all of them')).toEqual(['all of them', '0.8000', '100.0 %', '0.950', '1.000', '149', '20,000'])
    expect(rowOf(html, 'MUVERA compact, exact MaxSim of 100')).toEqual([
      'MUVERA compact, exact MaxSim of 100',
      '0.7600',
      '95.0 %',
      '0.900',
      '0.800',
      '3.2',
      '22,560',
    ])
    expect(html).not.toContain('<td>MUVERA compact, exact MaxSim of 10</td>')
    expect(rowOf(html, 'MUVERA quality')).toEqual(['MUVERA quality', '0.7200', '0.7800'])
    expect(html).toContain('5,183 documents · 1 query · tiny · split dev')
  })

  it('plots quality against candidates, FDE size and bytes, each point where it belongs', () => {
    const html = formatReport({ collections: [collection] })
    expect([...html.matchAll(/<figcaption>(.*?)<small>/g)].map(([, caption]) => caption)).toEqual([
      'nDCG@10 by candidates',
      'Exact top 10 among the candidates',
      'nDCG@10 by FDE size',
      'nDCG@10 by bytes per document',
    ])
    const [first] = html.match(/<svg.*?<\/svg>/s)!
    const points = [...first.matchAll(/<polyline[^>]*points="([^"]*)"/g)].map(([, list]) =>
      list!.split(' ').map((pair) => pair.split(',').map(Number)),
    )
    expect(points).toHaveLength(2)
    const [[low, high], [better]] = points as [[[number, number], [number, number]], [[number, number]]]
    // More candidates are further right, and better is further up.
    expect(high![0]).toBeGreaterThan(low![0])
    expect(high![1]).toBeLessThan(low![1])
    expect(better![0]).toBe(low![0])
    expect(better![1]).toBeLessThan(low![1])
    expect(html).not.toContain('NaN')
  })

  it('needs nothing but itself', () => {
    const html = formatReport({ collections: [collection] })
    expect(html).not.toMatch(/<script|<link|<img|src=|url\(|https?:|@import/)
    expect(html).toContain("default-src 'none'")
    expect(html).toContain('prefers-color-scheme: dark')
    expect(html).toContain('@media print')
  })

  it('escapes whatever it is given', () => {
    const evil = '<b onclick="x">&\'</b>'
    const html = formatReport({
      title: evil,
      collections: [
        {
          ...collection,
          name: evil,
          model: evil,
          methods: collection.methods.map((method) => ({
            ...method,
            name: evil + method.name,
            ...(method.series && { series: evil + method.series }),
          })),
          worst: {
            method: evil,
            metric: 'ndcg@10',
            queries: [{ id: evil, text: evil, values: {}, relevant: 1, top: [{ id: evil, title: evil, grade: 1 }] }],
          },
          measured: { [evil]: evil, command: evil },
        },
      ],
    })
    expect(html).not.toContain('<b ')
    expect(html).not.toContain('onclick="x"')
    expect(html.split('&#60;b onclick=&#34;x&#34;&#62;&#38;&#39;&#60;/b&#62;').length).toBeGreaterThan(12)
  })

  it('shows the queries answered worst beside the exact ranking', () => {
    const worst = {
      method: collection.methods[3]!.name,
      metric: 'ndcg@10',
      queries: [
        {
          id: 'q7',
          text: 'flightless',
          values: { [collection.methods[3]!.name]: 0.25, 'all of them': 0.5, BM25: 1 },
          firstRelevantRank: 12,
          relevant: 3,
          top: [
            { id: 'kiwi', title: 'Kiwi', grade: 1 },
            { id: 'owl', title: 'Owl', grade: 0 },
          ],
        },
      ],
    }
    const html = formatReport({ collections: [{ ...collection, worst }] })
    expect(html).toMatch(/<th scope="col">this method<\/th><th scope="col">exact<\/th><th scope="col">BM25<\/th>/)
    expect(html).toContain('<td>0.250</td><td>0.500</td><td>1.000</td><td>12 <small>of 3</small></td>')
    expect(html).toContain('<li class="relevant">✓ Kiwi <small>kiwi</small></li><li>Owl <small>owl</small></li>')
  })

  it('makes do with one method and any metric', () => {
    const html = formatReport({
      collections: [{ ...collection, methods: [{ name: 'one', metrics: { 'map@5': 0.125 } }] }],
    })
    expect(rowOf(html, 'one')).toEqual(['one', '0.1250'])
    expect(html).toContain('>MAP@5</th>')
    expect(html).not.toContain('<svg')
  })

  it('refuses a report of nothing', () => {
    expect(() => formatReport({ collections: [] })).toThrow(/at least one collection/)
    expect(() => formatReport({ collections: [{ ...collection, methods: [] }] })).toThrow(
      /"birds" of the report has no methods/,
    )
    expect(() => formatReport({ dataset: [] } as never)).toThrow(/dataset/)
  })
})
