import { expect, it } from 'vitest'
import { TOKEN_CODECS } from '../../../packages/core/src/store/records.js'
import type { NewDocument } from '../../../packages/core/src/store/store.js'
import { exactScores } from '../../../packages/core/src/store/exact-scores.js'
import { clusteredCollection, randomEmbeddings } from '../../support/clustered-embeddings.js'
import { plainMaxSim, scoreTolerance } from './max-sim.js'
import { DIM, newDocument, newDocuments, numbered, readVectors } from './stores.js'
import type { Stores } from './stores.js'

export function tokenCases(stores: Stores): void {
  const clustered = clusteredCollection({ seed: 2, documents: 150, queries: 4 })
  const documents = clustered.documents.map((embeddings, i) => newDocument(`d${i}`, { embeddings }))

  it.each(TOKEN_CODECS)('scores documents exactly, as far as %s keeps them', async (codec) => {
    if (!stores.codecs.includes(codec)) return
    const store = await stores.filled(documents, { codec })
    expect(store.spec.codec).toBe(codec)
    const ids = documents.map(({ id }) => id)
    for (const query of clustered.queries) {
      const { scores } = await exactScores(store, codec, query, ids)
      documents.forEach(({ embeddings }, i) => {
        const difference = Math.abs(scores[i]! - plainMaxSim(query, embeddings!))
        expect(difference).toBeLessThan(scoreTolerance(codec, query, embeddings!))
      })
    }
  })

  it.each(TOKEN_CODECS)('hands over vectors as precisely as %s keeps them', async (codec) => {
    if (!stores.codecs.includes(codec)) return
    const lengths = [1, 2, 3, 17, 40]
    const given = lengths.map((n) => newDocument(`d${n}`, { embeddings: randomEmbeddings(n, n, 7), dim: 7 }))
    const store = await stores.filled(given, { codec })
    const ids = given.map(({ id }) => id).toReversed()
    const vectors = await readVectors(store, store.spec, ids)
    expect(vectors.size).toBe(ids.length)
    ids.forEach((id, position) =>
      expectPrecise(
        vectors.get(position)!,
        given.find((one) => one.id === id)!,
        codec,
      ),
    )
  })

  it('leaves out what is gone, and hands over the others by their position', async () => {
    const store = await stores.filled(newDocuments(['a', 'b', 'c', 'd']))
    await stores.delete(store, { ids: ['b'] })
    const vectors = await readVectors(store, store.spec, ['never', 'd', 'b', 'a'])
    expect([...vectors.keys()].sort()).toEqual([1, 3])
    expectPrecise(vectors.get(1)!, newDocument('d'), store.spec.codec)
    expectPrecise(vectors.get(3)!, newDocument('a'), store.spec.codec)
    const { scores } = await exactScores(store, store.spec.codec, randomEmbeddings(1, 3, DIM), ['b', 'a', 'never'])
    expect([...scores].map((score) => score === -Infinity)).toEqual([true, false, true])
  })

  it('hands over nothing when nothing is asked for', async () => {
    const store = await stores.filled([newDocument('a')])
    expect((await readVectors(store, store.spec, [])).size).toBe(0)
    expect((await readVectors(store, store.spec, ['gone'])).size).toBe(0)
    const empty = await stores.open()
    expect((await readVectors(empty, { ...empty.spec, dim: DIM }, ['a'])).size).toBe(0)
  })

  it('hands over a document without tokens as one of none', async () => {
    const without = newDocument('without', { embeddings: randomEmbeddings(1, 0, DIM) })
    const store = await stores.filled([newDocument('a'), without])
    const vectors = await readVectors(store, store.spec, ['without', 'a'])
    expect(vectors.get(0)).toMatchObject({ length: 0, dim: DIM })
    expect(vectors.get(1)).toMatchObject({ length: 2, dim: DIM })
  })

  it('hands over short and long documents in one call', async () => {
    const lengths = [3000, 1, 700, 2, 3000, 0, 1500]
    const given = lengths.map((n, i) => newDocument(`d${i}`, { embeddings: randomEmbeddings(i, n, 64) }))
    const store = await stores.filled([...given, ...newDocuments(numbered('e', 300), { dim: 64 })])
    const ids = given.map(({ id }) => id)
    const vectors = await readVectors(store, store.spec, ids)
    given.forEach((document, position) => expectPrecise(vectors.get(position)!, document, store.spec.codec))
    const all = [...numbered('e', 300), ...ids]
    const query = randomEmbeddings(1, 2, 64)
    const { scores } = await exactScores(store, store.spec.codec, query, all)
    expect(scores.every((score) => Number.isFinite(score))).toBe(true)
    const last = given.at(-1)!.embeddings!
    const difference = Math.abs(scores.at(-1)! - plainMaxSim(query, last))
    expect(difference).toBeLessThan(scoreTolerance(store.spec.codec, query, last))
  })

  it('scores for several searches at once', async () => {
    const store = await stores.filled(documents)
    const ids = documents.map(({ id }) => id)
    const { codec } = store.spec
    const alone: Float64Array[] = []
    for (const query of clustered.queries) alone.push((await exactScores(store, codec, query, ids)).scores)
    const together = await Promise.all(clustered.queries.map((query) => exactScores(store, codec, query, ids)))
    expect(together.map(({ scores }) => scores)).toEqual(alone)
  })
}

function expectPrecise(
  found: { readonly data: Float32Array; readonly length: number },
  { embeddings }: NewDocument,
  codec: (typeof TOKEN_CODECS)[number],
): void {
  const { data, length, dim } = embeddings!
  expect(found.length).toBe(length)
  let worst = 0
  for (let token = 0; token < length; token++) {
    const row = data.subarray(token * dim, (token + 1) * dim)
    const largest = row.reduce((max, x) => Math.max(max, Math.abs(x)), 0)
    const step = codec === 'f32' ? 0 : codec === 'f16' ? largest / 2048 : largest / 254
    row.forEach((x, i) => (worst = Math.max(worst, Math.abs(found.data[token * dim + i]! - x) - step * 1.0001)))
  }
  expect(worst).toBeLessThanOrEqual(0)
}
