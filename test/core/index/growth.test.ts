// An index that grows topic by topic: what is added later is of another kind than what its first stage learned from.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { random } from '../../support/fake-encoder.js'
import { numbers } from '../../support/staged-index.js'

const DIM = 32
const TOPICS = 4
const DOCUMENTS = 400
const TOKENS = 60
/** Directions that the tokens of a topic lie around. */
const WORDS = 300

const next = random(17)
const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
const unit = (row: Float32Array): Float32Array => {
  const length = Math.hypot(...row)
  return row.map((x) => x / length)
}
/** Each topic has a corner of the space, which the codebooks of the others divide into few pieces. */
const topics = Array.from({ length: TOPICS }, () => {
  const corner = unit(Float32Array.from({ length: DIM }, normal))
  const words = Array.from({ length: WORDS }, () => unit(corner.map((x) => x + 0.18 * normal())))
  const token = (word: number) => unit(words[word]!.map((x) => x + 0.05 * normal()))
  const text = (length: number, of: readonly number[]): TokenEmbeddings => {
    const data = new Float32Array(length * DIM)
    for (let i = 0; i < length; i++) data.set(token(of[i % of.length]!), i * DIM)
    return { data, length, dim: DIM }
  }
  const documents = Array.from({ length: DOCUMENTS }, () => {
    const words30 = Array.from({ length: 30 }, () => Math.floor(next() * WORDS))
    return { embeddings: text(TOKENS, words30), query: text(8, words30.slice(0, 8)) }
  })
  return documents
})
const all = topics.flatMap((documents, topic) =>
  documents.map(({ embeddings }, i) => ({ id: `${topic}-${i}`, embeddings })),
)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-growth-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Mean share of the exact top 10 that a search of each topic's queries finds with 40 candidates. */
async function shares(index: MultiVectorIndex): Promise<number[]> {
  const found: number[] = []
  for (const documents of topics) {
    let share = 0
    for (const { query } of documents.slice(0, 20)) {
      const exact = await index.search(query, { firstStage: 'exact' })
      const answer = await index.searchDetailed(query, { candidates: 40 })
      expect(answer.firstStage).not.toBe('exact')
      const ids = new Set(answer.hits.map(({ id }) => id))
      share += exact.filter(({ id }) => ids.has(id)).length / exact.length / 20
    }
    found.push(share)
  }
  return found
}

async function grown(documents: typeof all, firstStage: 'centroids' | 'fde'): Promise<MultiVectorIndex> {
  const index = await MultiVectorIndex.open(folder, { firstStage })
  for (let i = 0; i < documents.length; i += 100) {
    await index.upsert(documents.slice(i, i + 100))
    await index.prepare()
  }
  return index
}

describe.each(['centroids', 'fde'] as const)('an index that grows topic by topic (%s)', (firstStage) => {
  test('finds as much as one that was filled at once, of every topic, also after compaction and reopening', async () => {
    await using fresh = await MultiVectorIndex.open(undefined, { firstStage })
    await fresh.upsert(all)
    await fresh.prepare()
    const wanted = await shares(fresh)
    const expectAsMuch = async (index: MultiVectorIndex) => {
      const found = await shares(index)
      for (const [topic, share] of found.entries()) expect(share).toBeGreaterThan(wanted[topic]! - 0.05)
    }
    if (firstStage === 'centroids') expect(Math.min(...wanted)).toBeGreaterThan(0.95)
    const index = await grown(all, firstStage)
    await expectAsMuch(index)
    await index.delete({ where: ({ id }) => id.endsWith('7') })
    await index.compact()
    await expectAsMuch(index)
    await index.close()
    await using reader = await MultiVectorIndex.open(folder, { firstStage, readonly: true })
    await expectAsMuch(reader)
  })
})

test('what is new is coded by what it is like, and nothing older again', async () => {
  await using index = await MultiVectorIndex.open(folder, { firstStage: 'centroids' })
  await index.upsert(all.slice(0, 3 * DOCUMENTS))
  await index.prepare()
  expect((await index.stats()).firstStages.centroids!.facts.codebooks).toBe(1)
  await index.upsert(all.slice(3 * DOCUMENTS, 3 * DOCUMENTS + 280))
  await index.prepare()
  const { facts, documents } = (await index.stats()).firstStages.centroids!
  expect([facts.codebooks, documents]).toEqual([2, 3 * DOCUMENTS + 280])
  // More of the same needs no other codebook.
  await index.upsert(topics[0]!.slice(0, 290).map(({ embeddings }, i) => ({ id: `again-${i}`, embeddings })))
  await index.prepare()
  expect((await index.stats()).firstStages.centroids!.documents).toBe(documents + 290)
})

test('more of the same is coded by what was learned from it, however little that was', async () => {
  await using index = await MultiVectorIndex.open(folder, { firstStage: 'centroids' })
  const added = async (count: number, name: string) => {
    // The tokens of a document are alike: it is much closer to what was learned from it than others are.
    const embeddings = () => {
      const corner = Array.from({ length: DIM }, normal)
      const data = Float32Array.from({ length: TOKENS * DIM }, (_, i) => corner[i % DIM]! + 0.4 * normal())
      return { data, length: TOKENS, dim: DIM }
    }
    await index.upsert(numbers(0, count).map((i) => ({ id: `${name}-${i}`, embeddings: embeddings() })))
    await index.prepare()
    return (await index.stats()).firstStages.centroids!.facts
  }
  const { trainedAt } = await added(300, 'first')
  expect(trainedAt).toBe(300 * TOKENS)
  // Nearly as many again.
  expect(await added(290, 'more')).toMatchObject({ codebooks: 1, trainedAt })
})

test('documents in any order are found as well', async () => {
  const mixed = all.map((_, i) => all[(i * 7) % all.length]!)
  await using index = await grown(mixed, 'centroids')
  expect(Math.min(...(await shares(index)))).toBeGreaterThan(0.95)
  expect((await index.stats()).firstStages.centroids!.facts.codebooks).toBeLessThanOrEqual(2)
})

test('documents added since are candidates until their codes are known to fit', async () => {
  await using index = await grown(all.slice(0, DOCUMENTS), 'centroids')
  const late = topics[3]!.slice(0, 20)
  await index.upsert(late.map(({ embeddings }, i) => ({ id: `late-${i}`, embeddings })))
  await index.prepare()
  for (const [i, { query }] of late.entries()) {
    const { hits, candidates } = await index.searchDetailed(query, { candidates: 10, k: 1 })
    expect(hits[0]!.id).toBe(`late-${i}`)
    expect(candidates).toBeGreaterThanOrEqual(20)
  }
})

test('FDEs are learned again early where what came since is of another kind, and trusted where it is not', async () => {
  const learnt = () => {
    const { derived } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))
    return { tokens: derived.fde.facts.tokens, trusted: derived.fde.parts.at(-1).trusted }
  }
  await using index = await MultiVectorIndex.open(folder, { firstStage: 'fde' })
  const add = async (prefix: string, topic: number, from: number, to: number) => {
    const documents = topics[topic]!.slice(from, to)
    await index.upsert(documents.map(({ embeddings }, i) => ({ id: `${prefix}-${topic}-${from + i}`, embeddings })))
    await index.prepare()
  }
  await index.upsert(all.slice(0, 2 * DOCUMENTS))
  await index.prepare()
  const before = 2 * DOCUMENTS * TOKENS
  expect(learnt()).toEqual({ tokens: before, trusted: 2 * DOCUMENTS })
  // Half as many again of what there is.
  await add('again', 0, 0, 200)
  await add('again', 1, 0, 200)
  expect(learnt().tokens).toBe(before)
  expect(learnt().trusted).toBeGreaterThanOrEqual(2 * DOCUMENTS + 280)
  await index.delete({ where: ({ id }) => id.startsWith('again') })
  await index.compact()
  await index.prepare()
  // Of another kind: not trusted, and learned again when there are half as many.
  await add('new', 2, 0, 300)
  expect(learnt()).toEqual({ tokens: before, trusted: 2 * DOCUMENTS })
  await add('new', 2, 300, 400)
  expect(learnt()).toEqual({ tokens: 3 * DOCUMENTS * TOKENS, trusted: 3 * DOCUMENTS })
})
