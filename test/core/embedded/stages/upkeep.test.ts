// What is learned, coded and built in the background, after writing, and what prepare() and close() wait for.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type * as Train from '../../../../packages/core/src/centroids/train.js'
import type { Stage } from '../../../../packages/core/src/embedded/stages/stage.js'
import { Upkeep } from '../../../../packages/core/src/embedded/stages/upkeep.js'
import type { Warning } from '../../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../../packages/core/src/index/open.js'
import { FakeEncoder } from '../../../support/fake-encoder.js'
import { numbers, StagedIndex, stageFiles, textOf } from '../../../support/staged-index.js'

/** Learning begins when the gate is open. */
const gate = vi.hoisted(() => {
  const state = { isOpen: true, error: undefined as Error | undefined, waiting: new Set<() => void>() }
  return {
    shut() {
      state.isOpen = false
    },
    open() {
      state.isOpen = true
      for (const go of state.waiting) go()
      state.waiting.clear()
    },
    /** The next to learn fails. */
    fail(error: Error) {
      state.error = error
    },
    get queue(): number {
      return state.waiting.size
    },
    async pass(signal: AbortSignal | undefined) {
      const { error } = state
      state.error = undefined
      if (error) throw error
      if (state.isOpen) return
      await new Promise<void>((resolve) => {
        state.waiting.add(resolve)
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
      signal?.throwIfAborted()
    },
  }
})
vi.mock('../../../../packages/core/src/centroids/train.js', async (original) => {
  const train = await original<typeof Train>()
  const trainCodebook: typeof Train.trainCodebook = async (...args) => {
    await gate.pass(args[2]?.signal)
    return train.trainCodebook(...args)
  }
  return { ...train, trainCodebook }
})

const model = new FakeEncoder()
const documents = numbers(0, 600).map((n) => ({ id: `d${n}`, text: textOf(n) }))

let folder: string
let warnings: Warning[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-upkeep-'))
  warnings = []
})
afterEach(() => {
  gate.open()
  rmSync(folder, { recursive: true, force: true })
})

const open = (options: OpenOptions = {}) =>
  MultiVectorIndex.open(folder, {
    model,
    firstStage: 'centroids',
    onWarning: (warning) => warnings.push(warning),
    ...options,
  })
const search = (index: MultiVectorIndex, n: number) => index.searchDetailed(textOf(n), { k: 1 })
const found = (n: number, firstStage: string) => ({ firstStage, hits: [{ id: `d${n}` }] })
const codes = async (index: MultiVectorIndex) => (await index.stats()).firstStages.centroids!
const learning = () => vi.waitFor(() => expect(gate.queue).toBe(1))

describe('after writing', () => {
  test('upsert is over before anything is learned, and searches score exactly meanwhile', async () => {
    gate.shut()
    await using index = await open()
    expect(await index.upsert(documents.slice(0, 300))).toMatchObject({ added: 300 })
    await learning()
    expect(await search(index, 7)).toMatchObject(found(7, 'exact'))
    expect(await codes(index)).toMatchObject({ documents: 0, bytes: 0, facts: { trainedAt: null } })
    // Documents that come while it is learned.
    await index.upsert(documents.slice(300, 400))
    await index.delete(['d7'])
    expect(await search(index, 350)).toMatchObject(found(350, 'exact'))
    gate.open()
    await index.prepare()
    expect(await search(index, 350)).toMatchObject(found(350, 'centroids'))
    expect((await search(index, 7)).hits[0]!.id).not.toBe('d7')
    expect(await codes(index)).toMatchObject({ documents: 400 })
    expect(warnings).toEqual([])
  })

  test('old codes serve while new ones are made, and find what was just added', async () => {
    await using index = await open()
    await index.upsert(documents.slice(0, 100))
    await index.prepare()
    const { facts } = await codes(index)
    gate.shut()
    await index.upsert(documents)
    await learning()
    expect(await search(index, 500)).toMatchObject(found(500, 'centroids'))
    expect(await codes(index)).toMatchObject({ documents: 600, facts })
    gate.open()
    await index.prepare()
    expect((await codes(index)).facts.trainedAt).toBe((await index.stats()).tokens)
    expect((await codes(index)).facts.trainedAt).toBeGreaterThan(facts.trainedAt as number)
    expect(await search(index, 580)).toMatchObject(found(580, 'centroids'))
    expect(stageFiles(folder, 'centroids')).toHaveLength(2)
  })

  test('what is learned while the index is compacted is put over the documents that are left', async () => {
    await using index = await open()
    const long = (prefix: string, n: number) => {
      return Array.from({ length: 60 }, (_, i) => `${prefix}${(n * 37 + i * i) % 211}`).join(' ')
    }
    const of = (prefix: string, count: number) =>
      numbers(0, count).map((n) => ({ id: `${prefix}${n}`, text: long(prefix, n) }))
    const parts = () => {
      const { derived } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))
      return derived.centroids.parts as { from: number; trusted: number }[]
    }
    for (const [prefix, count, deleted] of [
      ['a', 600, 100],
      ['b', 300, 70],
    ] as const) {
      gate.shut()
      await index.upsert(of(prefix, count))
      await learning()
      await index.delete(numbers(0, deleted).map((n) => `a${n * (prefix === 'a' ? 1 : 2)}`))
      await index.compact()
      gate.open()
      await index.prepare()
      expect(Math.max(...parts().map(({ trusted }) => trusted))).toBeLessThanOrEqual(await index.count())
    }
    // What is of another kind has a codebook of its own, and each document its own codes.
    expect(parts().map(({ from }) => from)).toEqual([0, (await index.count()) - 300])
    for (const [prefix, n] of [
      ['a', 599],
      ['a', 301],
      ['b', 0],
      ['b', 299],
    ] as const) {
      const hits = await index.search(long(prefix, n), { firstStage: 'centroids', rerank: false, k: 1 })
      expect(hits[0]!.text).toBe(long(prefix, n))
    }
    expect(warnings).toEqual([])
  })

  test('many batches wait for one more run, not for one each', async () => {
    const heard: Error[] = []
    const hear = (warning: Error) => void heard.push(warning)
    process.on('warning', hear)
    gate.shut()
    const index = await open()
    try {
      for (const document of documents.slice(0, 300)) await index.upsert([document])
      for (let i = 0; i < 20; i++) await nextTurn()
      expect(heard).toEqual([])
      gate.open()
      await index.close()
    } finally {
      process.off('warning', hear)
    }
    await using again = await open({ readonly: true })
    expect([await codes(again), warnings]).toMatchObject([{ documents: 300 }, []])
  })

  test('what goes wrong is a warning; documents are there, and prepare() says what it is and tries again', async () => {
    await using index = await open()
    gate.fail(new Error('The disk is full.'))
    await index.upsert(documents.slice(0, 300))
    await vi.waitFor(() => expect(warnings).toHaveLength(1))
    expect(warnings).toEqual([
      { code: 'UPKEEP_FAILED', message: expect.stringMatching(/The disk is full\. .*prepare\(\) tries again/) },
    ])
    expect(await search(index, 7)).toMatchObject(found(7, 'exact'))
    gate.fail(new Error('It is still full.'))
    await expect(index.prepare()).rejects.toThrow('It is still full.')
    await index.prepare()
    expect(await search(index, 7)).toMatchObject(found(7, 'centroids'))
    expect(warnings).toHaveLength(1)
  })

  test('a model that cannot encode what is measured is a warning, too', async () => {
    class Silent extends FakeEncoder {
      override encodeQueries(): never {
        throw new Error('no query')
      }
    }
    await using index = await MultiVectorIndex.open(undefined, {
      model: new Silent(),
      firstStage: 'centroids',
      onWarning: (warning) => warnings.push(warning),
    })
    await index.upsert(numbers(0, 1000).map((n) => ({ id: `d${n}`, text: textOf(n) })))
    await expect(index.prepare()).rejects.toThrow('no query')
    expect(warnings.map(({ code }) => code)).toContain('UPKEEP_FAILED')
    expect(await codes(index)).toMatchObject({ documents: 1000, suitability: null })
  })
})

describe('prepare()', () => {
  test('waits for what is under way, and hears of its progress, not of what comes later', async () => {
    gate.shut()
    await using index = await open()
    await index.upsert(documents.slice(0, 140))
    await learning()
    const heard: unknown[] = []
    let isDone = false
    const prepared = index.prepare({ onProgress: (progress) => heard.push(progress) }).then(() => (isDone = true))
    for (let i = 0; i < 20; i++) await nextTurn()
    expect(isDone).toBe(false)
    gate.open()
    await prepared
    expect(heard).toEqual([64, 128, 140].map((done) => ({ phase: 'build', done, total: 140 })))
    await index.upsert(documents)
    await index.prepare()
    expect(heard).toHaveLength(3)
    const { tokens } = await index.stats()
    expect((await codes(index)).facts.trainedAt).toBe(tokens)
  })

  test('codes long documents a few at a time', async () => {
    await using index = await open({ model: undefined, dim: 2 })
    const data = new Float32Array(2400 * 2).fill(0.7)
    await index.upsert(numbers(0, 24).map((n) => ({ id: `${n}`, embeddings: { data, length: 2400, dim: 2 } })))
    const done: number[] = []
    await index.prepare({ firstStage: 'centroids', onProgress: (progress) => void done.push(progress.done) })
    // Three have less than 8,192 tokens together.
    expect(done).toEqual(numbers(1, 9).map((i) => i * 3))
  })

  test('that is stopped ends at once, the work at its next step', async () => {
    gate.shut()
    await using index = await open({ firstStage: 'exact' })
    await index.upsert(documents.slice(0, 300))
    const stop = new AbortController()
    const stopped = index.prepare({ firstStage: 'centroids', signal: stop.signal })
    const waiting = index.prepare({ signal: AbortSignal.timeout(10) })
    await Promise.all([learning(), expect(waiting).rejects.toMatchObject({ name: 'TimeoutError' })])
    stop.abort(new Error('enough'))
    await expect(stopped).rejects.toThrow('enough')
    await expect(index.prepare({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
    gate.open()
    await index.prepare()
    expect(await codes(index)).toMatchObject({ documents: 300 })
    expect(warnings).toEqual([])
  })

  test('ends with what its onProgress throws, and with nothing else: the background goes on', async () => {
    gate.shut()
    await using index = await open()
    await index.upsert(documents.slice(0, 300))
    await learning()
    const onProgress = () => {
      throw new Error('no terminal')
    }
    const refused = index.prepare({ onProgress })
    gate.open()
    await expect(refused).rejects.toThrow('no terminal')
    await index.prepare()
    expect([await codes(index), warnings]).toMatchObject([{ documents: 300 }, []])
  })

  test('stopped for one is not stopped for the background', async () => {
    gate.shut()
    await using index = await open()
    await index.upsert(documents.slice(0, 300))
    await learning()
    await expect(index.prepare({ signal: AbortSignal.timeout(5) })).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(gate.queue).toBe(1)
    gate.open()
    await vi.waitFor(async () => expect(await codes(index)).toMatchObject({ documents: 300 }), 5000)
  })

  test('makes the index keep what it names, also when it is opened again', async () => {
    const index = await open({ firstStage: 'auto' })
    await index.upsert(documents.slice(0, 300))
    await index.prepare()
    expect((await index.stats()).firstStages).toEqual({})
    await expect(index.search('kiwi', { firstStage: 'centroids' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/"centroids" could search by\. Run prepare\(\{ firstStage: "centroids" \}\) once/),
    })
    await index.prepare({ firstStage: 'centroids' })
    expect((await index.searchDetailed('kiwi', { firstStage: 'centroids' })).firstStage).toBe('centroids')
    await index.close()
    await using again = await open({ firstStage: 'auto', readonly: true })
    expect((await again.searchDetailed('kiwi', { firstStage: 'centroids' })).firstStage).toBe('centroids')
    await expect(again.prepare()).rejects.toMatchObject({ code: 'INDEX_READONLY' })
  })

  test('refuses what the index cannot have', async () => {
    const index = await open({ firstStage: 'auto' })
    for (const firstStage of ['fde', 'muvera', 'hnsw']) {
      const refusal = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(/made without FDEs.*fde: 'compact'/) }
      await expect(index.prepare({ firstStage })).rejects.toMatchObject(refusal)
      await index.upsert(documents.slice(0, 3))
      await expect(index.search('kiwi', { firstStage })).rejects.toMatchObject(refusal)
    }
    await expect(index.prepare({ firstStage: 'nearest' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/firstStage must be one of auto, exact, .*centroids.*hnsw.*; got "nearest"/),
    })
    await expect(index.prepare({ stage: 'fde' } as never)).rejects.toMatchObject({ code: 'UNKNOWN_OPTION' })
    await index.close()
    await expect(index.prepare()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('close()', () => {
  test('waits for what is made in the background', async () => {
    gate.shut()
    const index = await open()
    await index.upsert(documents.slice(0, 300))
    await learning()
    let isClosed = false
    const closing = index.close().then(() => (isClosed = true))
    for (let i = 0; i < 20; i++) await nextTurn()
    expect([isClosed, existsSync(join(folder, 'lock'))]).toEqual([false, true])
    gate.open()
    await closing
    await using again = await open({ readonly: true })
    expect(await search(again, 7)).toMatchObject(found(7, 'centroids'))
    expect(warnings).toEqual([])
  })

  test('leaves it to the next writer with prepare: false', async () => {
    gate.shut()
    const index = await open()
    await index.upsert(documents.slice(0, 300))
    await learning()
    await index.close({ prepare: false })
    expect([stageFiles(folder, 'centroids'), existsSync(join(folder, 'lock')), warnings]).toEqual([[], false, []])
    gate.open()
    await using again = await open()
    expect(await search(again, 7)).toMatchObject(found(7, 'exact'))
    await again.prepare()
    expect(await search(again, 7)).toMatchObject(found(7, 'centroids'))
  })

  test('ends a prepare() that nobody wanted to wait for', async () => {
    gate.shut()
    const index = await open({ firstStage: 'exact' })
    await index.upsert(documents.slice(0, 300))
    const prepared = index.prepare({ firstStage: 'centroids' })
    await learning()
    const [, result] = await Promise.all([
      index.close({ prepare: false }),
      prepared.then(
        () => 'done',
        (error: { code: string }) => error.code,
      ),
    ])
    expect([result, stageFiles(folder, 'centroids')]).toEqual(['CLOSED', []])
  })
})

test('to stop it is to wait for the step that is under way, and to do no other', async () => {
  const index = await StagedIndex.open()
  let end = () => {}
  const begun: string[] = []
  const stage = (name: string): [string, Stage] => [
    name,
    {
      ...index.stage('centroids'),
      name,
      upkeep: () => {
        begun.push(name)
        return new Promise<void>((resolve) => (end = resolve))
      },
    },
  ]
  const upkeep = new Upkeep(
    index.files,
    new Map([stage('one'), stage('other')]),
    index.keywords,
    index.turns,
    undefined,
  )
  const runs = Promise.allSettled([upkeep.run({}), upkeep.run({})])
  await nextTurn()
  let isStopped = false
  const stopped = upkeep.stop(new Error('closing')).then(() => (isStopped = true))
  await nextTurn()
  expect([begun, isStopped]).toEqual([['one'], false])
  end()
  await stopped
  const rejected = { status: 'rejected', reason: { message: 'closing' } }
  expect(await runs).toMatchObject([rejected, rejected])
  expect(begun).toEqual(['one'])
})
