import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ColBERT } from '../../packages/core/src/colbert.js'
import { LOAD_OPTIONS } from '../../packages/core/src/load-options.js'
import { SerotineError } from '../../packages/core/src/errors.js'
import type { ErrorCode, Warning } from '../../packages/core/src/errors.js'

const golden = (name: string) => fileURLToPath(new URL(`../golden/pylate/${name}/model`, import.meta.url))
const fails = async (work: Promise<unknown>, code: ErrorCode, message: RegExp) => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(SerotineError.isInstance(error), String(error)).toBe(true)
  expect((error as SerotineError).code).toBe(code)
  expect((error as SerotineError).message).toMatch(message)
}

let model: ColBERT
beforeAll(async () => {
  model = await ColBERT.load()
})
afterAll(() => model.close())

describe('the embedded model', () => {
  it('reranks by meaning and by words', async () => {
    const ranked = await model.rerank('flightless birds', [
      'Penguins swim.',
      'The stock market fell.',
      'Kiwis are birds that cannot fly.',
    ])
    expect(ranked.map(({ index, rank }) => [index, rank])[0]).toEqual([2, 1])
    expect(ranked[2]!.index).toBe(1)
    expect(ranked[0]!.score).toBeGreaterThan(ranked[1]!.score)
    expect(ranked[0]!.meanSimilarity).toBeLessThanOrEqual(1)
  })

  it('is loaded once for all who share it, and again after one of them closed it', async () => {
    const [first, second] = await Promise.all([ColBERT.shared(), ColBERT.shared()])
    expect(second).toBe(first)
    await first.close()
    const [third, fourth] = await Promise.all([ColBERT.shared(), ColBERT.shared()])
    expect(third).not.toBe(first)
    expect(fourth).toBe(third)
    expect(await third.encodeQueries(['a'])).toHaveLength(1)
    await third.close()
  })

  it('takes objects with a text and gives them back untouched', async () => {
    const documents = Object.freeze([Object.freeze({ id: 7, text: 'a' }), Object.freeze({ id: 8, text: 'b' })])
    const ranked = await model.rerank('b', documents, { topN: 1 })
    expect(ranked).toHaveLength(1)
    expect(ranked[0]!.document).toBe(documents[1])
  })

  it('has a topN larger than the list, an empty list and an empty query', async () => {
    expect(await model.rerank('a', ['b'], { topN: 10 })).toHaveLength(1)
    expect(await model.rerank('a', [])).toEqual([])
    expect(await model.rerank('', ['a', ''])).toHaveLength(2)
  })

  it('keeps the order given among equals', async () => {
    const ranked = await model.rerank('same', ['same', 'same', 'same'])
    expect(ranked.map(({ index }) => index)).toEqual([0, 1, 2])
  })

  it('explains a score in characters of both texts', async () => {
    const [query, text] = ['flightless birds', 'A kiwi 🥝 is a bird that cannot fly.']
    const matches = await model.explain(query, text)
    const [{ score }] = (await model.rerank(query, [text])) as unknown as [{ score: number }]
    expect(matches.reduce((sum, match) => sum + match.similarity, 0)).toBeCloseTo(score, 3)
    const birds = matches.find(({ queryStart, queryEnd }) => query.slice(queryStart, queryEnd) === 'birds')!
    expect(text.slice(birds.start, birds.end)).toBe('bird')
    for (const { start, end } of matches) expect(start === -1 ? end : text.length - end).toBeGreaterThanOrEqual(-1)
  })

  it('gives all similarities of two texts, of which explain takes the best', async () => {
    const [query, text] = ['flightless birds', 'A kiwi 🥝 is a bird that cannot fly.']
    const { queryTokens, documentTokens, similarities } = await model.similarities(query, text)
    const matches = await model.explain(query, text)
    expect(similarities).toHaveLength(queryTokens.length * documentTokens.length)
    expect(queryTokens.map(({ start, end }) => [start, end])).toEqual(
      matches.map(({ queryStart, queryEnd }) => [queryStart, queryEnd]),
    )
    for (const [i, match] of matches.entries()) {
      const row = similarities.subarray(i * documentTokens.length, (i + 1) * documentTokens.length)
      expect(Math.max(...row)).toBe(Math.fround(match.similarity))
      const { token, start, end } = match
      expect(documentTokens[row.indexOf(Math.max(...row))]).toEqual({ token, start, end })
    }
    expect(documentTokens.map(({ start, end }) => (start < 0 ? '' : text.slice(start, end)))).toContain('bird')
    await expect(model.similarities(query, text, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
  })

  it('encodes nothing as nothing, and a blank text as a text', async () => {
    expect(await model.encodeDocuments([])).toEqual([])
    const [blank] = await model.encodeDocuments([' \n '])
    expect(blank!.length).toBe(3)
  })

  it('survives a megabyte and lone surrogates', async () => {
    const warnings: Warning[] = []
    const texts = ['late interaction '.repeat(60_000), '\ud800 lone \udfff', '\0'.repeat(1000)]
    const embeddings = await model.encodeDocuments(texts, { onWarning: (warning) => warnings.push(warning) })
    expect(embeddings.map(({ length }) => length > 2 && length <= model.config.documentLength)).toEqual([
      true,
      true,
      true,
    ])
    expect(warnings.map(({ code }) => code)).toEqual(['TRUNCATED'])
    expect(warnings[0]!.message).toMatch(/1 of 3 documents did not fit 300 tokens/)
  })

  it('reports any number of cut texts', async () => {
    const short = await ColBERT.load(golden('bert-tiny'), { documentLength: 3 })
    const stop = new Error('stop before encoding')
    const onWarning = ({ message }: Warning): never => {
      expect(message).toMatch(/^150000 of 150000 documents did not fit 3 tokens; up to 1 tokens/)
      throw stop
    }
    await expect(short.encodeDocuments(Array<string>(150_000).fill('a'), { onWarning })).rejects.toBe(stop)
    await short.close()
  })

  it('stops loading when told to', async () => {
    const controller = new AbortController()
    const loading = ColBERT.load(golden('modernbert-tiny-wrong-residual'), {
      signal: controller.signal,
      onWarning: () => controller.abort(),
    })
    await expect(loading).rejects.toThrow(/abort/i)
  })

  it('reports progress and stops when told to', async () => {
    const texts = Array.from({ length: 100 }, (_, i) => `text number ${i} ${'word '.repeat(i)}`)
    const seen: number[] = []
    await model.encodeDocuments(texts, { onProgress: ({ done, total }) => expect(seen.push(done) && total).toBe(100) })
    expect(seen.at(-1)).toBe(100)
    const controller = new AbortController()
    const work = model.encodeDocuments(texts, { signal: controller.signal, onProgress: () => controller.abort() })
    await expect(work).rejects.toThrow(/abort/i)
    await expect(model.encodeDocuments(texts, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })

  it('names what is wrong', async () => {
    await fails(model.encodeQueries('text' as never), 'INVALID_ARGUMENT', /array of strings, got "text".*\[text\]/)
    await fails(model.encodeDocuments(['a', 3 as never]), 'INVALID_ARGUMENT', /texts\[1\] must be a string, got 3/)
    await fails(
      model.encodeDocuments(['a'], { pool_factor: 2 } as never),
      'UNKNOWN_OPTION',
      /"pool_factor".*"poolFactor"/,
    )
    await fails(model.encodeDocuments(['a'], { poolFactor: 1.5 }), 'INVALID_ARGUMENT', /poolFactor.*1\.5/)
    await fails(model.encodeQueries(['a'], { promptName: 'none' }), 'INVALID_ARGUMENT', /"none".*query/)
    await fails(model.rerank('a', ['b'], { topK: 3 } as never), 'UNKNOWN_OPTION', /"topN"/)
    await fails(model.rerank('a', [{ content: 'b' } as never]), 'INVALID_ARGUMENT', /documents\[0\].*undefined/)
    await fails(model.rerank(undefined as never, ['b']), 'INVALID_ARGUMENT', /query/)
  })
})

describe('loading', () => {
  it('rejects unknown options and values', async () => {
    await fails(ColBERT.load(undefined, { query_length: 3 } as never), 'UNKNOWN_OPTION', /"queryLength"/)
    await fails(ColBERT.load(undefined, { queryLength: 2 }), 'INVALID_ARGUMENT', /queryLength/)
    await fails(ColBERT.load(undefined, { dtype: 'fp64' as never }), 'INVALID_ARGUMENT', /dtype.*fp64/)
    await fails(ColBERT.load(undefined, { documentPrefix: '[nowhere] ' }), 'MODEL_UNSUPPORTED', /\[nowhere\]/)
    await fails(ColBERT.load(3 as never), 'INVALID_ARGUMENT', /3/)
    await fails(
      ColBERT.load(undefined, { denseOverrides: { '9_Dense': { useResidual: true } } }),
      'INVALID_ARGUMENT',
      /9_Dense/,
    )
  })

  it('knows every option it documents', () => {
    expect(new Set(LOAD_OPTIONS).size).toBe(LOAD_OPTIONS.length)
  })

  it('changes the fingerprint whenever vectors could change', async () => {
    const variants = [
      {},
      { queryLength: 20 },
      { skiplistWords: [] },
      { attendToExpansionTokens: true },
      { dtype: 'int8' as const },
    ]
    const prints = new Set([model.fingerprint])
    for (const options of variants) {
      const other = await ColBERT.load(golden('bert-tiny'), options)
      prints.add(other.fingerprint)
      await other.close()
    }
    expect(prints.size).toBe(variants.length + 1)
  })

  it('applies denseOverrides', async () => {
    const warnings: string[] = []
    const right = await ColBERT.load(golden('modernbert-tiny'))
    const wrong = await ColBERT.load(golden('modernbert-tiny-wrong-residual'), {
      onWarning: ({ code }) => warnings.push(code),
    })
    const repaired = await ColBERT.load(golden('modernbert-tiny-wrong-residual'), {
      denseOverrides: { '2_Dense': { useResidual: true } },
    })
    const [a, b, c] = await Promise.all(
      [right, wrong, repaired].map(async (each) => (await each.encodeDocuments(['some words']))[0]!.data),
    )
    expect(c).toEqual(a)
    expect(b).not.toEqual(a)
    await Promise.all([right, wrong, repaired].map((each) => each.close()))
  })

  it('is closed once and for all', async () => {
    const other = await ColBERT.load(golden('bert-tiny'))
    await other.close()
    await other.close()
    await fails(other.encodeQueries(['a']), 'CLOSED', /closed/)
  })
})
