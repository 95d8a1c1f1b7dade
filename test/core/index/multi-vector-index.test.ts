import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { maxSim } from '../../../packages/core/src/scoring/maxsim.js'
import type { Progress } from '../../../packages/core/src/encoder.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

const BIRDS = [
  { id: 'kiwi', text: 'a kiwi is a bird that cannot fly', metadata: { lang: 'en', year: 2020 } },
  { id: 'penguin', text: 'a penguin swims in cold water', metadata: { lang: 'en', year: 2022 } },
  { id: 'eagle', text: 'der adler jagt am fluss', metadata: { lang: 'de' } },
]
/** Enough tokens for FDEs. */
const next = random(7)
const MANY = Array.from({ length: 300 }, (_, i) => ({
  id: `d${i}`,
  text: randomText(next, 12),
  metadata: { n: i, even: i % 2 === 0 },
}))

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'serotine-index-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const error = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) as string })

describe.each(['memory', 'disk'])('an index in %s', (place) => {
  let folder: string | undefined
  const model = new FakeEncoder()
  beforeEach(() => {
    folder = place === 'disk' ? join(root, 'birds') : undefined
    model.encoded.length = 0
  })
  // Random hyperplanes need no more than 2,000 tokens to begin with; partitions are learned of 8,000.
  const open = (options: OpenOptions = {}) =>
    MultiVectorIndex.open(folder, { model, fde: { partitioning: 'hyperplanes' }, ...options })

  test('answers with the documents that share words, best first, with text and metadata', async () => {
    await using index = await open()
    expect(await index.upsert(BIRDS)).toEqual({ added: 3, updated: 0, unchanged: 0 })
    const hits = await index.search('bird that cannot fly', { k: 2 })
    expect(hits.map(({ id, rank }) => [id, rank])).toEqual([['kiwi', 1], expect.anything()])
    expect(hits[0]).toEqual({
      id: 'kiwi',
      score: expect.closeTo(6, 1) as number,
      meanSimilarity: hits[0]!.score / 6,
      text: BIRDS[0]!.text,
      metadata: BIRDS[0]!.metadata,
      rank: 1,
    })
  })

  test('scores are MaxSim of the stored vectors', async () => {
    for (const [codec, error] of [
      ['f32', 1e-6],
      ['f16', 5e-3],
      ['int8', 5e-2],
    ] as const) {
      await using index = await MultiVectorIndex.open(undefined, { model, codec })
      await index.upsert(BIRDS)
      const query = model.embed('penguin cold')
      for (const { id, score } of await index.search(query)) {
        const exact = maxSim(query, model.embed(BIRDS.find((bird) => bird.id === id)!.text))
        expect(Math.abs(score - exact)).toBeLessThan(error)
        expect(score).toBeCloseTo(maxSim(query, (await index.embeddings(id))!), codec === 'int8' ? 3 : 6)
      }
    }
  })

  test('k larger than the collection gives all of it; an empty index gives []', async () => {
    await using index = await open()
    expect(await index.search('kiwi')).toEqual([])
    expect((await index.searchDetailed('kiwi')).firstStage).toBe('none')
    expect(await index.count()).toBe(0)
    await index.upsert(BIRDS)
    expect(await index.search('kiwi', { k: 1000 })).toHaveLength(3)
    expect(await index.search('kiwi', { where: { lang: 'fr' } })).toEqual([])
    await index.delete(['kiwi', 'penguin', 'eagle'])
    expect(await index.search('kiwi')).toEqual([])
  })

  test('get, has, ids and count see what was put in; ids that are not there are undefined', async () => {
    await using index = await open()
    await index.upsert(BIRDS)
    expect(await index.count()).toBe(3)
    expect(await index.ids()).toEqual(['kiwi', 'penguin', 'eagle'])
    expect(await index.has('kiwi')).toBe(true)
    expect(await index.has('dodo')).toBe(false)
    expect(await index.get('eagle')).toEqual({ id: 'eagle', text: BIRDS[2]!.text, metadata: { lang: 'de' }, tokens: 7 })
    expect(await index.get(['dodo', 'kiwi'])).toEqual([undefined, expect.objectContaining({ id: 'kiwi' })])
    expect(await index.embeddings('dodo')).toBeUndefined()
  })

  test('what is given out can be changed without changing the index', async () => {
    await using index = await open()
    await index.upsert([{ id: 'a', text: 'kiwi', metadata: { tags: ['x'] } }])
    const [hit] = await index.search('kiwi', { where: { tags: { contains: 'x' } } })
    ;(hit!.metadata.tags as string[]).push('y')
    expect((await index.get('a'))!.metadata).toEqual({ tags: ['x'] })
    expect(await index.search('kiwi', { where: { tags: { contains: 'y' } } })).toEqual([])
  })

  test('upsert encodes what changed and nothing else', async () => {
    await using index = await open()
    await index.upsert(BIRDS)
    model.encoded.length = 0
    expect(await index.upsert(BIRDS)).toEqual({ added: 0, updated: 0, unchanged: 3 })
    const generation = (await index.stats()).generation
    expect(model.encoded).toEqual([])
    expect(
      await index.upsert([
        { ...BIRDS[0]!, metadata: { year: 2020, lang: 'en' } },
        { ...BIRDS[1]!, metadata: { lang: 'en', year: 2023 } },
        { ...BIRDS[2]!, text: 'the eagle hunts' },
        { id: 'owl', text: 'owl at night' },
      ]),
    ).toEqual({ added: 1, updated: 2, unchanged: 1 })
    expect(model.encoded).toEqual(['the eagle hunts', 'owl at night'])
    expect((await index.stats()).generation).toBe(generation + 1)
    expect(await index.count()).toBe(4)
    expect((await index.search('eagle hunts'))[0]!.id).toBe('eagle')
    expect((await index.search('penguin swims', { where: { year: 2023 } })).map(({ id }) => id)).toEqual(['penguin'])
  })

  test('insert refuses a known id and writes nothing of that batch', async () => {
    await using index = await open()
    await index.insert(BIRDS.slice(0, 1))
    await expect(index.insert(BIRDS)).rejects.toMatchObject(error('DUPLICATE_ID', /"kiwi" already exists\. Use upsert/))
    expect(await index.ids()).toEqual(['kiwi'])
  })

  test('an id that comes twice in one call is an error, and an array is checked before anything is written', async () => {
    await using index = await open()
    await expect(index.upsert([...BIRDS, BIRDS[1]!], { batchSize: 1 })).rejects.toMatchObject(
      error('DUPLICATE_ID', /"penguin" appears twice.*1 and 3/),
    )
    expect(await index.count()).toBe(0)
    async function* stream() {
      yield* BIRDS
      yield BIRDS[0]!
    }
    await expect(index.upsert(stream(), { batchSize: 2 })).rejects.toMatchObject(error('DUPLICATE_ID', /"kiwi"/))
    expect(await index.ids()).toEqual(['kiwi', 'penguin'])
  })

  test('streams are taken in batches, with progress', async () => {
    await using index = await open()
    async function* stream() {
      yield* MANY
    }
    const progress: Progress[] = []
    await index.upsert(stream(), { batchSize: 100, onProgress: (step) => progress.push(step) })
    expect(await index.count()).toBe(300)
    expect((await index.stats()).generation).toBe(3)
    expect(progress.at(-1)).toMatchObject({ phase: 'index', done: 300, tokensPerSecond: expect.any(Number) as number })
    expect(progress.at(-1)).not.toHaveProperty('total')
    expect(progress.map(({ done }) => done)).toEqual(progress.map(({ done }) => done).sort((a, b) => a - b))
    await index.upsert(new Set(BIRDS), { onProgress: (step) => progress.push(step) })
    await index.upsert(BIRDS, { onProgress: (step) => progress.push(step) })
    expect(progress.at(-1)).toMatchObject({ done: 3, total: 3 })
  })

  test('an aborted upsert keeps the batches that were committed and can be repeated', async () => {
    await using index = await open()
    const stop = new AbortController()
    const work = index.upsert(MANY, {
      batchSize: 100,
      signal: stop.signal,
      onProgress: ({ done }) => done === 100 && stop.abort(),
    })
    await expect(work).rejects.toMatchObject({ name: 'AbortError' })
    expect(await index.count()).toBe(100)
    expect(await index.upsert(MANY)).toEqual({ added: 200, updated: 0, unchanged: 100 })
    await expect(index.search('kiwi', { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    await expect(index.upsert(BIRDS, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('a model that fails loses its batch and nothing else', async () => {
    class Failing extends FakeEncoder {
      override async encodeDocuments(texts: readonly string[]): Promise<TokenEmbeddings[]> {
        const embeddings = texts.map((text) => this.embed(text))
        if (texts.some((text) => text.includes('poison'))) embeddings[0]!.data[3] = NaN
        return embeddings
      }
    }
    await using index = await MultiVectorIndex.open(folder, { model: new Failing() })
    const documents = [...BIRDS.slice(0, 2), { id: 'bad', text: 'poison' }]
    await expect(index.upsert(documents, { batchSize: 2 })).rejects.toMatchObject(
      error('NOT_FINITE', /document "bad", token 0 holds NaN/),
    )
    expect(await index.ids()).toEqual(['kiwi', 'penguin'])
    await index.upsert(BIRDS)
    expect(await index.count()).toBe(3)
  })

  test('delete by id, ids and filter says how many there were', async () => {
    await using index = await open()
    await index.upsert([...BIRDS, ...MANY])
    expect(await index.delete('kiwi')).toBe(1)
    expect(await index.delete(['kiwi', 'penguin', 'penguin', 'dodo'])).toBe(1)
    expect(await index.delete({ where: { even: true } })).toBe(150)
    expect(await index.delete({ where: ({ metadata }) => metadata.n === 1 })).toBe(1)
    expect(await index.count()).toBe(150)
    expect(await index.has('d0')).toBe(false)
    expect(await index.stats()).toMatchObject({ documents: 150, deleted: 153 })
    expect(
      (await index.search(MANY[2]!.text)).every(({ metadata }) => metadata.even === false || metadata.lang === 'de'),
    ).toBe(true)
  })

  test('compact frees the room of deleted documents and changes no answer', async () => {
    await using index = await open()
    await index.upsert(MANY)
    await index.upsert(MANY.map((document) => ({ ...document, text: `${document.text} river` })))
    await index.delete({ where: { n: { lt: 100 } } })
    await index.prepare()
    const query = MANY[200]!.text
    const before = await Promise.all(
      (['exact', 'fde'] as const).map((stage) => index.search(query, { firstStage: stage })),
    )
    const { bytes } = await index.stats()
    await index.compact()
    expect(
      await Promise.all((['exact', 'fde'] as const).map((stage) => index.search(query, { firstStage: stage }))),
    ).toEqual(before)
    const after = await index.stats()
    expect(after).toMatchObject({ documents: 200, deleted: 0 })
    expect(after.bytes.total).toBeLessThan(bytes.total * 0.4)
    const generation = after.generation
    await index.compact()
    expect((await index.stats()).generation).toBe(generation)
    await index.upsert([{ id: 'new', text: query }])
    expect((await index.search(query, { k: 2 })).map(({ id }) => id)).toEqual(['d200', 'new'])
  })

  test('texts of a megabyte, empty texts, lone surrogates and odd ids come back as they were', async () => {
    await using index = await open()
    const documents = [
      { id: 'long', text: 'word '.repeat(200_000) },
      { id: 'empty', text: '' },
      { id: 'blank', text: '  \n ' },
      { id: 'lone', text: 'a\ud800b\udc00 kiwi' },
      { id: 'pair', text: '🦇 bat' },
      { id: '\ud83d', text: 'id is half of an emoji', metadata: { 'k\ud800': '\udfff', zero: '\0' } },
      { id: '__proto__', text: 'an id like any other', metadata: JSON.parse('{"__proto__": {"x": 1}}') as never },
    ]
    await index.upsert(documents)
    for (const document of documents) {
      const found = await index.get(document.id)
      expect(found).toMatchObject({ id: document.id, text: document.text })
      expect(JSON.stringify(found!.metadata)).toBe(JSON.stringify(document.metadata ?? {}))
    }
    expect((await index.search('kiwi', { k: 1 }))[0]!.id).toBe('lone')
    expect((await index.search('kiwi', { k: 100 })).map(({ id }) => id)).toContain('empty')
    expect(await index.upsert(documents)).toMatchObject({ unchanged: documents.length })
    await index.upsert([{ id: 'lone', text: 'a\ud801b\udc00 kiwi' }])
    expect((await index.get('lone'))!.text).toBe('a\ud801b\udc00 kiwi')
  })

  test('documents without tokens are kept and never found', async () => {
    await using index = await open({ firstStage: 'fde' })
    const none = { data: new Float32Array(0), length: 0, dim: 16 }
    await index.upsert([{ id: 'none', embeddings: none, metadata: { x: 1 } }, ...MANY])
    expect(await index.has('none')).toBe(true)
    const negative = model.embed('kiwi')
    negative.data.forEach((x, i) => (negative.data[i] = -x))
    for (const stage of ['exact', 'fde'] as const) {
      const hits = await index.search(negative, { k: 500, firstStage: stage })
      expect(hits).toHaveLength(300)
      expect(hits.map(({ id }) => id)).not.toContain('none')
    }
    expect(await index.search('kiwi', { where: { x: 1 } })).toEqual([])
    expect(await index.embeddings('none')).toEqual(none)
    expect(await index.search({ data: new Float32Array(0), length: 0, dim: 16 })).toEqual([])
  })

  test('works without a model on embeddings made elsewhere', async () => {
    await using index = await MultiVectorIndex.open(folder)
    await index.upsert(BIRDS.map(({ id, text }) => ({ id, embeddings: model.embed(text) })))
    expect((await index.stats()).dim).toBe(16)
    const [hit] = await index.search(model.embed('penguin swims'))
    expect(hit!.id).toBe('penguin')
    expect(hit).not.toHaveProperty('text')
    await expect(index.search('penguin')).rejects.toMatchObject(error('INVALID_ARGUMENT', /without a model/))
    await expect(index.upsert([{ id: 'a', text: 'b' }])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /"a" comes without embeddings/),
    )
    await expect(index.search({ data: new Float32Array(8), length: 1, dim: 8 })).rejects.toMatchObject(
      error('DIM_MISMATCH', /dimension 8, but the index has 16/),
    )
    await expect(
      index.upsert([{ id: 'a', embeddings: { data: new Float32Array(8), length: 1, dim: 8 } }]),
    ).rejects.toMatchObject(error('DIM_MISMATCH', /"a" has dimension 8/))
    await expect(
      index.upsert([{ id: 'a', embeddings: { data: new Float32Array(8), length: 1, dim: 16 } }]),
    ).rejects.toMatchObject(error('EMBEDDINGS_SHAPE', /"a"/))
    await expect(index.search({ data: new Float32Array(16).fill(NaN), length: 1, dim: 16 })).rejects.toMatchObject(
      error('NOT_FINITE', /query/),
    )
  })

  test('the first stage is chosen by what there is to score, and said', async () => {
    await using index = await open()
    await index.upsert(BIRDS)
    expect(await index.searchDetailed('kiwi', { firstStage: 'fde' })).toMatchObject({
      firstStage: 'exact',
      candidates: 3,
    })
    await index.upsert(MANY)
    await index.prepare()
    const all = await index.searchDetailed('kiwi')
    expect(all).toMatchObject({ firstStage: 'exact', candidates: 303 })
    const fde = await index.searchDetailed('kiwi', { firstStage: 'fde', k: 5, candidates: 50 })
    expect(fde).toMatchObject({ firstStage: 'fde', candidates: 50 })
    for (const ms of Object.values(fde.timings)) expect(ms).toBeGreaterThanOrEqual(0)
    expect((await index.searchDetailed('kiwi', { firstStage: 'fde', k: 80, candidates: 1 })).candidates).toBe(80)
    expect(await index.search('kiwi', { firstStage: 'fde', k: 10, candidates: 1000 })).toEqual(all.hits)
    expect(
      (await index.searchDetailed('kiwi', { firstStage: 'fde', where: { even: true }, candidates: 1000 })).candidates,
    ).toBe(150)
  })

  test('the first stage alone approximates MaxSim', async () => {
    await using index = await open({ fde: { preset: 'quality', partitioning: 'hyperplanes' } })
    await index.upsert(MANY)
    await index.prepare()
    const alone = await index.searchDetailed(MANY[3]!.text, { firstStage: 'fde', rerank: false, k: 20 })
    expect(alone).toMatchObject({ firstStage: 'fde', candidates: 0 })
    expect(alone.hits[0]!.id).toBe('d3')
    expect(alone.hits.map(({ score }) => score)).toEqual(alone.hits.map(({ score }) => score).sort((a, b) => b - a))
  })

  test('searches while documents are added and the index is compacted', async () => {
    await using index = await open()
    await index.upsert(MANY.slice(0, 150))
    await index.prepare()
    const query = MANY[10]!.text
    const changes = Promise.all([
      index.upsert(MANY.slice(150), { batchSize: 10 }),
      index.delete({ where: { n: { gte: 100 } } }),
      index.compact(),
      index.upsert([{ id: 'last', text: 'owl' }]),
    ])
    let searches = 0
    const done = changes.then(() => true)
    while (!(await Promise.race([done, new Promise((resolve) => setImmediate(resolve, false))]))) {
      const hits = await index.search(query, { firstStage: searches++ % 2 ? 'exact' : 'fde', k: 1 })
      expect(hits[0]!.id).toBe('d10')
    }
    expect(searches).toBeGreaterThan(3)
    expect(await index.count()).toBe(101)
  })

  test('after close everything says so; close can be repeated', async () => {
    const index = await open()
    await index.upsert(BIRDS)
    const last = index.upsert(MANY)
    await Promise.all([index.close(), last])
    await index.close()
    for (const use of [
      () => index.search('kiwi'),
      () => index.upsert(BIRDS),
      () => index.delete('kiwi'),
      () => index.get('kiwi'),
      () => index.compact(),
      () => index.stats(),
    ])
      await expect(use()).rejects.toMatchObject(error('CLOSED', /was closed/))
    await expect(index.count()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(index.has('kiwi')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('wrong arguments are named', async () => {
    await using index = await open()
    const any = (value: unknown) => value as never
    await expect(index.search('x', any({ topK: 3 }))).rejects.toMatchObject(error('UNKNOWN_OPTION', /Did you mean "k"/))
    await expect(index.search('x', any({ filter: {} }))).rejects.toMatchObject(
      error('UNKNOWN_OPTION', /Did you mean "where"/),
    )
    await expect(index.search('x', { k: 0 })).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /k must be an integer of at least 1, got 0/),
    )
    await expect(index.search('x', { candidates: 1.5 })).rejects.toMatchObject(error('INVALID_ARGUMENT', /candidates/))
    await expect(index.search('x', { firstStage: any('best') })).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /auto, exact, centroids, fde, hnsw, muvera; got "best"/),
    )
    await expect(index.search('x', { rerank: any('no') })).rejects.toMatchObject(error('INVALID_ARGUMENT', /rerank/))
    await expect(index.search(any(42))).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /text or token embeddings, got 42/),
    )
    await expect(index.upsert(any({ id: 'a', text: 'b' }))).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /One document: \[document\]/),
    )
    await expect(index.upsert(any('a'))).rejects.toMatchObject(error('INVALID_ARGUMENT', /iterable/))
    await expect(index.upsert([any(null)])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /Document 0 must be an object/),
    )
    await expect(index.upsert([any({ text: 'x' })])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /id of document 0.*got undefined/),
    )
    await expect(index.upsert([{ id: '', text: 'x' }])).rejects.toMatchObject(error('INVALID_ARGUMENT', /not empty/))
    await expect(index.upsert([any({ id: 7, text: 'x' })])).rejects.toMatchObject(error('INVALID_ARGUMENT', /got 7/))
    await expect(index.upsert([any({ id: 'a', pageContent: 'x' })])).rejects.toMatchObject(
      error('UNKNOWN_OPTION', /Did you mean "text"/),
    )
    await expect(index.upsert([{ id: 'a' }])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /"a" has neither text nor embeddings/),
    )
    await expect(index.upsert([{ id: 'a', text: any(3) }])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /text of document "a"/),
    )
    await expect(
      index.upsert([{ id: 'a', text: 'x', metadata: any({ at: { when: new Date() } }) }]),
    ).rejects.toMatchObject(error('INVALID_ARGUMENT', /metadata\.at\.when.*Date/))
    await expect(index.upsert([{ id: 'a', text: 'x', metadata: { n: NaN } }])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /metadata\.n.*NaN/),
    )
    await expect(index.upsert([{ id: 'a', text: 'x', metadata: any([]) }])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /plain object/),
    )
    const loop: Record<string, unknown> = {}
    loop.self = loop
    await expect(index.upsert([{ id: 'a', text: 'x', metadata: any(loop) }])).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /refers to itself/),
    )
    await expect(index.upsert([], { batchSize: 0 })).rejects.toMatchObject(error('INVALID_ARGUMENT', /batchSize/))
    await expect(index.upsert([{ id: 'a', text: 'x', embeddings: any([[1, 2]]) }])).rejects.toMatchObject(
      error('EMBEDDINGS_SHAPE', /Float32Array/),
    )
    await expect(index.delete(any({}))).rejects.toMatchObject(error('INVALID_ARGUMENT', /\{ where \}/))
    await expect(index.delete(any(undefined))).rejects.toMatchObject(error('INVALID_ARGUMENT', /\{ where \}/))
    const count = await index.count()
    for (const where of [
      {},
      { tenant: undefined },
      { and: [] },
      { not: { or: [] } },
      { tenant: { nin: [] } },
      { tenant: { in: [undefined] } },
    ]) {
      await expect(index.delete(any({ where }))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    await expect(index.delete({ where: {} })).rejects.toThrow('To delete everything, pass { where: () => true }.')
    await expect(index.delete(any({ where: undefined }))).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /\{ where \}/),
    )
    await expect(index.delete(any({ ids: undefined }))).rejects.toMatchObject(
      error('UNKNOWN_OPTION', /no option "ids"/),
    )
    await expect(index.delete(any([undefined]))).rejects.toMatchObject(error('INVALID_ARGUMENT', /Id 0/))
    await expect(index.delete(Array(1) as never)).rejects.toMatchObject(error('INVALID_ARGUMENT', /Id 0/))
    await expect(index.search('bird', any({ where: { tenant: undefined } }))).rejects.toThrow(
      'where.tenant is undefined',
    )
    expect(await index.count()).toBe(count)
    await expect(index.delete([''])).rejects.toMatchObject(error('INVALID_ARGUMENT', /not empty/))
    await expect(index.get(any(7))).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /get\(\) takes an id or an array of ids, got 7/),
    )
    expect(await index.count()).toBe(0)
  })
})

test('wrong options of open are named, and nothing is created', async () => {
  const folder = join(root, 'never')
  const any = (value: unknown) => value as never
  await expect(MultiVectorIndex.open(folder, any({ readOnly: true }))).rejects.toMatchObject(
    error('UNKNOWN_OPTION', /Did you mean "readonly"/),
  )
  await expect(MultiVectorIndex.open(folder, { codec: any('int4') })).rejects.toMatchObject(
    error('INVALID_ARGUMENT', /f32, f16, int8, residual; got "int4"/),
  )
  await expect(MultiVectorIndex.open(folder, { firstStage: any('ann') })).rejects.toMatchObject(
    error('INVALID_ARGUMENT', /firstStage/),
  )
  await expect(MultiVectorIndex.open(folder, { fde: any('tiny') })).rejects.toMatchObject(
    error('INVALID_ARGUMENT', /Presets/),
  )
  await expect(MultiVectorIndex.open(folder, { fde: any(null) })).rejects.toMatchObject(
    error('INVALID_ARGUMENT', /fde must be .*got null/),
  )
  await expect(MultiVectorIndex.open(folder, { fde: any({ dim: 3 }) })).rejects.toMatchObject(
    error('UNKNOWN_OPTION', /finalDim/),
  )
  await expect(MultiVectorIndex.open(folder, { fde: { prepare: 'center' } })).rejects.toMatchObject(
    error('INVALID_ARGUMENT', /no queries/),
  )
  await expect(MultiVectorIndex.open(folder, { fde: any({ reps: 3 }) })).rejects.toMatchObject(
    error('UNKNOWN_OPTION', /repetitions/),
  )
  await expect(MultiVectorIndex.open(folder, { dim: 0 })).rejects.toMatchObject(error('INVALID_ARGUMENT', /dim/))
  await expect(MultiVectorIndex.open(folder, { dim: 8, model: new FakeEncoder() })).rejects.toMatchObject(
    error('DIM_MISMATCH', /dim is 8.*16/),
  )
  await expect(MultiVectorIndex.open(folder, { model: any('mxbai') })).rejects.toMatchObject(
    error('INVALID_ARGUMENT', /ColBERT\.load/),
  )
  await expect(MultiVectorIndex.open(any(5))).rejects.toMatchObject(error('INVALID_ARGUMENT', /folder/))
  await expect(MultiVectorIndex.open(undefined, { readonly: true })).rejects.toMatchObject(
    error('INVALID_ARGUMENT', /memory/),
  )
  await expect(MultiVectorIndex.open(folder, { readonly: true })).rejects.toMatchObject(
    error('INDEX_FORMAT', /no index in/),
  )
  await expect(MultiVectorIndex.open(folder, { create: false })).rejects.toMatchObject(
    error('INDEX_FORMAT', /no index in/),
  )
  expect((await MultiVectorIndex.open(':memory:')).folder).toBeUndefined()
})

test('without FDEs everything is scored exactly', async () => {
  await using index = await MultiVectorIndex.open(undefined, { model: new FakeEncoder(), fde: false })
  await index.upsert(MANY)
  expect(await index.searchDetailed('kiwi')).toMatchObject({ firstStage: 'exact', candidates: 300 })
  for (const stage of ['fde', 'hnsw', 'muvera'] as const) {
    await expect(index.search('kiwi', { firstStage: stage })).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /made without FDEs/),
    )
    await expect(MultiVectorIndex.open(undefined, { fde: false, firstStage: stage })).rejects.toMatchObject(
      error('INVALID_ARGUMENT', /needs FDEs/),
    )
  }
  expect(await index.stats()).toMatchObject({ firstStages: {}, firstStage: 'exact' })
})

test('equal scores are ordered by id, whatever the order they came in', async () => {
  for (const ids of [
    ['b', 'a', 'c'],
    ['c', 'b', 'a'],
  ]) {
    await using index = await MultiVectorIndex.open(undefined, { model: new FakeEncoder() })
    for (const id of ids) await index.upsert([{ id, text: 'kiwi' }])
    expect((await index.search('kiwi', { k: 2 })).map(({ id }) => id)).toEqual(['a', 'b'])
  }
})
