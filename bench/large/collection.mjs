// Passages and queries of collect.py, and their token vectors, which are made once and kept beside them.
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cpuSeconds } from './measure.mjs'

/** Documents between two reports of progress. */
const BATCH = 512

/** @returns `{ passages: [{ id, topic, text }], queries: [{ id, topic, text, relevant: [id] }] }`, topic after topic */
export async function readLargeCollection(folder, { passages: most = Infinity }) {
  const lines = async (name) => {
    const text = await readFile(join(folder, name), 'utf8').catch(() => {
      throw new Error(`${join(folder, name)} is not there: run python bench/large/collect.py first.`)
    })
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }
  const all = await lines('passages.jsonl')
  // As many of each topic as its share of all.
  const slot = (i) => Math.floor((i * most) / all.length)
  const passages = most < all.length ? all.filter((_, i) => slot(i) !== slot(i - 1)) : all
  const there = new Set(passages.map(({ id }) => id))
  const queries = (await lines('queries.jsonl')).filter(({ relevant }) => relevant.some((id) => there.has(id)))
  return { passages, queries }
}

/**
 * Token vectors as the model gives them: f32, rows of all passages one after the other in `documents.f32`, the number of rows of each in
 * `document-lengths.i32`, likewise for queries; `embeddings.json` says of which model and texts.
 */
export async function encodedLargeCollection(folder, model, { passages, queries }, onProgress = () => {}) {
  const key = keyOf(model, passages, queries)
  const place = join(folder, `embeddings-${key}`)
  const kept = await readFile(join(place, 'embeddings.json'), 'utf8').catch(() => undefined)
  const about = kept ? JSON.parse(kept) : await encode(place, model, passages, queries, onProgress)
  return { about, place, ...(await opened(place, about)) }
}

function keyOf({ fingerprint }, ...lists) {
  const hash = createHash('sha256').update(fingerprint)
  for (const list of lists) for (const { text } of list) hash.update(`\0${text}`)
  return hash.digest('hex').slice(0, 12)
}

async function encode(place, model, passages, queries, onProgress) {
  await mkdir(place, { recursive: true })
  const file = await open(join(place, 'documents.f32'), 'w')
  const lengths = new Int32Array(passages.length)
  const started = performance.now()
  const { seconds: encodeCpuSeconds } = await cpuSeconds(async () => {
    try {
      for (let i = 0; i < passages.length; i += BATCH) {
        const batch = await model.encodeDocuments(passages.slice(i, i + BATCH).map(({ text }) => text))
        for (const [j, { data, length }] of batch.entries()) {
          lengths[i + j] = length
          await file.write(bytesOf(data))
        }
        onProgress(i + batch.length)
      }
    } finally {
      await file.close()
    }
  })
  const encodeSeconds = (performance.now() - started) / 1000
  await writeFile(join(place, 'document-lengths.i32'), bytesOf(lengths))
  const asked = await model.encodeQueries(queries.map(({ text }) => text))
  await writeFile(join(place, 'query-lengths.i32'), bytesOf(Int32Array.from(asked, ({ length }) => length)))
  await writeFile(join(place, 'queries.f32'), Buffer.concat(asked.map(({ data }) => bytesOf(data))))
  const about = {
    model: { name: model.name, fingerprint: model.fingerprint },
    dim: model.dim,
    passages: passages.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    queries: queries.length,
    encodeSeconds,
    encodeCpuSeconds,
  }
  // Last: what is named in it is whole.
  await writeFile(join(place, 'embeddings.json.part'), `${JSON.stringify(about, null, 2)}\n`)
  await rename(join(place, 'embeddings.json.part'), join(place, 'embeddings.json'))
  return about
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)

/** Queries in memory; passages are read when they are needed: 100,000 of them are gigabytes. */
async function opened(place, { dim }) {
  const lengthsOf = async (name) => {
    const bytes = await readFile(join(place, name))
    return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  }
  const lengths = await lengthsOf('document-lengths.i32')
  const starts = new Float64Array(lengths.length)
  for (let i = 1; i < lengths.length; i++) starts[i] = starts[i - 1] + lengths[i - 1]
  const file = await open(join(place, 'documents.f32'))
  const queryRows = await readFile(join(place, 'queries.f32'))
  const queryData = new Float32Array(
    queryRows.buffer.slice(queryRows.byteOffset, queryRows.byteOffset + queryRows.byteLength),
  )
  let row = 0
  const queries = Array.from(await lengthsOf('query-lengths.i32'), (length) => {
    const data = queryData.slice(row * dim, (row + length) * dim)
    row += length
    return { data, length, dim }
  })
  return {
    queries,
    async passage(at) {
      const data = new Float32Array(lengths[at] * dim)
      await file.read(bytesOf(data), 0, data.byteLength, starts[at] * dim * 4)
      return { data, length: lengths[at], dim }
    },
    close: () => file.close(),
  }
}
