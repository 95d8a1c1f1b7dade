// What one index answers, costs and reports.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { spread } from '../environment.mjs'

/** Documents of the exact ranking that are looked for. */
export const TOP = 10

/** CPU seconds of this process, all its threads, while `work` runs. */
export async function cpuSeconds(work) {
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return { result, seconds: (user + system) / 1e6 }
}

/**
 * The best 10 of every query, one query after the other, after a few that are not measured.
 *
 * @returns `{ top: [[id]], cpuMs, ms: [wall time of each] }`
 */
export async function answers(index, queries, search) {
  for (const { embeddings } of queries.slice(0, 5)) await index.search(embeddings, { k: TOP, ...search })
  const ms = []
  const { result: top, seconds } = await cpuSeconds(async () => {
    const found = []
    for (const { embeddings } of queries) {
      const started = performance.now()
      const hits = await index.search(embeddings, { k: TOP, ...search })
      ms.push(performance.now() - started)
      found.push(hits.map(({ id }) => id))
    }
    return found
  })
  return { top, cpuMs: (seconds * 1000) / queries.length, ms }
}

/** @param parts for each query, which part of the collection its passage is in; default: it has one */
export function quality(queries, top, exact, parts = queries.map(() => 0)) {
  const shares = top.map((ids, i) => exact[i].filter((id) => ids.includes(id)).length / exact[i].length)
  const byPart = Array.from({ length: Math.max(...parts) + 1 }, (_, part) =>
    mean(shares.filter((_, i) => parts[i] === part)),
  )
  return {
    mrr: mean(queries.map(({ relevant }, i) => reciprocalRank(relevant, top[i]))),
    // Candidates are scored exactly: one of the exact top 10 is among them just if it is found.
    exactTop10: mean(shares),
    exactTop10ByPart: byPart,
  }
}

function reciprocalRank(relevant, ids) {
  const at = ids.findIndex((id) => relevant.includes(id))
  return at < 0 ? 0 : 1 / (at + 1)
}

/**
 * Deletes some documents, then compacts and learns, while one search after the other goes on.
 *
 * @returns how long that took, how many searches there were meanwhile, and the wall times of the longest and the median one
 */
export async function searchesWhileCompacting(index, queries, deleted) {
  await index.delete(deleted)
  await index.prepare()
  const usual = await answers(index, queries.slice(0, 20), {})
  const ms = []
  const state = { done: false }
  const started = performance.now()
  const { seconds } = await cpuSeconds(async () => {
    const work = (async () => {
      await index.compact()
      await index.prepare()
    })().finally(() => (state.done = true))
    for (let i = 0; !state.done; i++) {
      const before = performance.now()
      await index.search(queries[i % queries.length].embeddings, { k: TOP })
      ms.push(performance.now() - before)
      // As a server would: others get their turn.
      await new Promise((resolve) => setImmediate(resolve))
    }
    await work
  })
  return {
    deleted: deleted.length,
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: seconds,
    searches: ms.length,
    longestMs: Math.max(...ms),
    medianMs: spread(ms).median,
    longestOtherwiseMs: Math.max(...usual.ms),
  }
}

export async function bytesOnDisk(folder) {
  const names = await readdir(folder, { recursive: true })
  const entries = await Promise.all(names.map((name) => stat(join(folder, name))))
  return entries.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0)
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
