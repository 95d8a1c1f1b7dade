// A server is killed while documents are read and written: no answer leaves out, without saying so, what had been acknowledged.
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { SerotineError } from '../../packages/core/src/errors.js'
import { WeaviateStore } from '../../packages/weaviate/src/index.js'
import { randomEmbeddings } from '../support/clustered-embeddings.js'
import { isLong } from '../support/long.js'
import { newDocument, newDocuments, numbered } from '../contract/store/stores.js'
import { isBuilt, useServers } from './server.js'

const DIM = 32
const TOKENS = 40
const ADOPT = { dim: DIM, model: null }

type Times = Map<string, number>

const document = (id: string) =>
  newDocument(id, { embeddings: randomEmbeddings(Number(id.slice(1)) + 1, TOKENS, DIM), metadata: { id } })

describe.skipIf(!isBuilt || !isLong)('three Weaviate servers', () => {
  const servers = useServers({ nodes: 3 })
  const open = (collection: string, options: object = {}) =>
    WeaviateStore.open({
      url: servers.current.nodes.map(({ url }) => url),
      grpc: servers.current.nodes.map(({ grpc }) => grpc),
      collection,
      timeoutMs: 10_000,
      ...options,
    })

  test(
    'lose nothing when one is killed, and give no part of an answer for the whole',
    { timeout: 600_000 },
    async () => {
      const store = await open('Killed')
      /** When each document was acknowledged, when searches were to find it, when it was deleted (Infinity: that is under way). */
      const [acknowledged, indexed, deleted] = [1, 2, 3].map(() => new Map<string, number>()) as [Times, Times, Times]
      let next = 0
      const write = async (count: number) => {
        const ids = numbered('d', next + count).slice(next)
        next += count
        await store.upsert(ids.map(document), ADOPT)
        for (const id of ids) acknowledged.set(id, performance.now())
      }
      const noteIndexed = async () => {
        const ids = [...acknowledged.keys()].filter((id) => !indexed.has(id))
        await store.indexed()
        for (const id of ids) indexed.set(id, performance.now())
      }
      await write(400)
      await store.prepare()
      await noteIndexed()
      expect((await store.stats()).firstStage).toBe('fde')
      expect(await store.health()).toEqual({ expected: 3, live: 3, partial: false })

      const ended = new AbortController()
      const refused: Record<string, number> = {}
      const wrong: string[] = []
      const took: { at: number; ms: number }[] = []
      let [answers, writes, killed, back] = [0, 0, NaN, NaN]
      const tolerated = (error: unknown, what: string) => {
        if (!SerotineError.isInstance(error)) throw error
        const said = `${what} ${error.code} ${error.message.slice(0, 160)}`
        refused[said] = (refused[said] ?? 0) + 1
      }
      const finds = async (id: string) => {
        const { ids } = await store.candidates({ embeddings: document(id).embeddings!, count: 20 })
        return ids
      }
      const check = async (i: number) => {
        const begun = performance.now()
        const before = (times: Times) =>
          [...times].filter(([id, at]) => at < begun && !deleted.has(id)).map(([id]) => id)
        const [known, searchable] = [before(acknowledged), before(indexed)]
        // Half of the time one of the newest, which a server that was away does not have.
        const id = searchable.at(i % 2 === 0 ? i % searchable.length : -1 - (i % 30))!
        const ids = await finds(id)
        if (!ids.includes(id) && !deleted.has(id)) {
          const again = [(await finds(id)).includes(id), (await finds(id)).includes(id)]
          wrong.push(
            `search for ${id} ${begun - killed} ms after the kill, ${begun - back} after it was back, ` +
              `${begun - indexed.get(id)!} after it was indexed; again: ${again.join()}`,
          )
        }
        for (const found of ids) if ((deleted.get(found) ?? Infinity) < begun) wrong.push(`${found} was deleted`)
        const [found] = await store.get([known.at(-1 - (i % 40))!])
        if (!found && !deleted.has(known.at(-1 - (i % 40))!)) wrong.push(`get of ${known.at(-1)}`)
        if (i % 5 === 0) {
          const seen = new Set<string>()
          for await (const batch of store.scan({ text: false })) for (const each of batch) seen.add(each.id)
          for (const each of known) if (!seen.has(each) && !deleted.has(each)) wrong.push(`scan without ${each}`)
        }
        answers++
        took.push({ at: begun, ms: performance.now() - begun })
      }
      const reading = async (seed: number) => {
        for (let i = seed; !ended.signal.aborted; i += 7)
          await check(i).catch((error: unknown) => tolerated(error, 'read'))
      }
      const deleteTwo = async () => {
        const gone = [...indexed.keys()].filter((id) => !deleted.has(id)).slice(0, 2)
        for (const id of gone) deleted.set(id, Infinity)
        await store.delete({ ids: gone })
        for (const id of gone) deleted.set(id, performance.now())
      }
      const writing = async () => {
        for (let round = 0; !ended.signal.aborted; round++) {
          try {
            await write(10)
            await noteIndexed()
            writes++
            if (round % 4 === 3) await deleteTwo()
          } catch (error) {
            tolerated(error, 'write')
          }
          await pause(50)
        }
      }
      const all = Promise.all([reading(0), reading(3), writing()])
      await pause(8000)
      killed = performance.now()
      await servers.current.kill(2)
      await pause(15_000)
      expect((await store.health()).live).toBe(2)
      await servers.current.start(2)
      back = performance.now()
      await pause(45_000)
      ended.abort()
      await all
      const slowest = (from: number, to: number) =>
        Math.max(0, ...took.filter(({ at }) => at >= from && at < to).map(({ ms }) => ms))
      const figures = {
        answers,
        writes,
        refused,
        slowestBefore: slowest(0, killed),
        slowestWhileGone: slowest(killed - 500, back),
      }
      process.stderr.write(`${JSON.stringify(figures)}\n`)
      expect(wrong).toEqual([])
      expect(answers).toBeGreaterThan(50)

      const problems = await store.verify()
      process.stderr.write(`${problems.length} problems: ${problems[0]?.message ?? ''}\n`)
      await store.repair(problems)
      await store.indexed()
      expect(await store.verify()).toEqual([])
      const living = [...acknowledged.keys()].filter((id) => !deleted.has(id))
      expect((await store.get(living)).filter((found) => found === undefined)).toEqual([])
      expect((await store.get([...deleted.keys()])).filter((found) => found !== undefined)).toEqual([])
      await store.close()
    },
  )

  test(
    'say that an answer would be a part only, where a document is on one of them',
    { timeout: 300_000 },
    async () => {
      const store = await open('Single', { replicationFactor: 1, shards: 3 })
      await store.upsert(newDocuments(numbered('d', 60), { dim: DIM }), ADOPT)
      expect(await store.count()).toBe(60)
      await servers.current.kill(1)
      const until = performance.now() + 20_000
      const outcomes = new Set<string>()
      while (performance.now() < until) {
        try {
          expect(await store.count()).toBe(60)
          outcomes.add('whole')
        } catch (error) {
          if (!SerotineError.isInstance(error)) throw error
          outcomes.add(error.code)
        }
        try {
          const { ids } = await store.candidates({ embeddings: randomEmbeddings(1, 3, DIM), count: 100 })
          expect(ids).toHaveLength(60)
        } catch (error) {
          if (!SerotineError.isInstance(error)) throw error
          outcomes.add(error.code)
        }
        await pause(100)
      }
      expect(outcomes).toContain('PARTIAL_RESULTS')
      expect(await store.health()).toMatchObject({ expected: 3, live: 2, partial: true })
      await expect(store.upsert([newDocument('more', { dim: DIM })], ADOPT)).rejects.toMatchObject({
        name: 'SerotineError',
      })
      await servers.current.start(1)
      await pause(3000)
      expect(await store.count()).toBeGreaterThanOrEqual(60)
      await store.close()
    },
  )
})
