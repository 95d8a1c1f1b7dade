// An index on its way through its life, next to a map that says what it has to hold.
import { deepEqual, equal, ok } from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { decodeRows } from '../../../packages/core/src/embedded/format/document-table.js'
import { fileName, filesOf } from '../../../packages/core/src/embedded/format/file-names.js'
import { readManifest } from '../../../packages/core/src/embedded/format/manifest-file.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import type { SearchOptions } from '../../../packages/core/src/index/search/options.js'
import { FakeEncoder } from '../../support/fake-encoder.js'
import { breakFiles, repair, takeCalls } from '../../support/file-faults.js'
import { Comparison, withDocuments, without } from './plain-index.js'
import type { State } from './plain-index.js'
import { documentOf, quotable, WORDS } from './steps.js'
import type { Change, Step } from './steps.js'

/** What a folder that was written without a fault must not warn of. */
const OF_FAULTS = /^(UPKEEP_FAILED|INDEX_REPAIRED|DOCUMENT_DAMAGED)$/
const REFUSALS = /^(EIO|ENOSPC|EMFILE|INDEX_NOT_DURABLE|INDEX_POISONED)$/

/** A change under way. */
interface Running {
  /** Before it, and after each of its batches. */
  readonly states: readonly State[]
  /** Batches that were acknowledged. */
  acknowledged: number
  readonly done: Promise<unknown>
}

/** What is wrong is thrown, with the step. */
export class Walk {
  readonly #model = new FakeEncoder({ dim: 16 })
  readonly #root = mkdtempSync(join(tmpdir(), 'serotine-walk-'))
  readonly #options: OpenOptions
  readonly #comparison: Comparison
  readonly #warnings: string[] = []
  #folder = join(this.#root, '0')
  #folders = 1
  #writer!: MultiVectorIndex
  #reader!: MultiVectorIndex
  #state: State = new Map()
  #seen: State = new Map()
  #hadFaults = false
  /** Searches with as many candidates as the index takes by itself: hits, and those of them that exact MaxSim gives. */
  readonly found = { hits: 0, exact: 0, stages: new Set<string>(), codebooks: 0, compressed: 0 }

  private constructor(options: OpenOptions) {
    const onWarning: OpenOptions['onWarning'] = ({ code, message }) => this.#warnings.push(`${code} ${message}`)
    this.#options = { model: this.#model, onWarning, ...options }
    this.#comparison = new Comparison(this.#model, options.codec ?? 'int8')
  }

  static async begin(options: OpenOptions): Promise<Walk> {
    const walk = new Walk(options)
    await walk.#open()
    return walk
  }

  /** @throws what is wrong */
  async take(step: Step): Promise<void> {
    takeCalls()
    switch (step.do) {
      case 'search':
        return this.#search(step)
      case 'reopen':
        await this.#close(step.prepare)
        return this.#open()
      case 'refresh':
        await this.#reader.refresh()
        this.#seen = this.#state
        return this.#same(this.#reader, this.#seen)
      case 'verify':
        deepEqual(await this.#writer.verify(), [])
        return
      case 'faulty':
        return this.#faulty(step)
      case 'crash':
        return this.#crash(step)
      case 'damage':
        return this.#damage(step.nth)
      case 'together':
        return this.#together(step.change, step.query)
      default: {
        const running = this.#begin(step)
        try {
          await running.done
        } catch (error) {
          // What a fault did to work in the background shows with the next change.
          if (!this.#hadFaults || (error as { code?: string }).code !== 'INDEX_POISONED') throw error
          await this.#reopenAs([this.#state])
          return this.take(step)
        }
        this.#state = running.states.at(-1)!
      }
    }
  }

  /** All that can be compared, at the end. */
  async end(): Promise<void> {
    await this.#writer.prepare()
    const { codebooks, compressed } = (await this.#writer.stats()).firstStages.centroids?.facts ?? {}
    Object.assign(this.found, { codebooks, compressed })
    await this.#everything()
    await this.#close(true)
    await this.#open()
    await this.#everything()
    await this.#writer.compact()
    await this.#writer.prepare()
    await this.#everything()
    await this.#close(true)
    const left = readdirSync(this.#folder).filter((name) => name !== 'manifest.json')
    deepEqual(left.sort(), filesOf(readManifest(this.#folder)).sort())
    if (!this.#hadFaults)
      deepEqual(
        this.#warnings.filter((warning) => OF_FAULTS.test(warning.split(' ')[0]!)),
        [],
      )
  }

  async remove(): Promise<void> {
    repair()
    await this.#close(false).catch(() => {})
    rmSync(this.#root, { recursive: true, force: true })
  }

  async #open(): Promise<void> {
    this.#writer = await MultiVectorIndex.open(this.#folder, this.#options)
    this.#reader = await MultiVectorIndex.open(this.#folder, { ...this.#options, readonly: true })
    this.#seen = this.#state
  }

  async #close(prepare: boolean): Promise<void> {
    await this.#reader.close()
    await this.#writer.close({ prepare })
  }

  async #same(index: MultiVectorIndex, state: State): Promise<void> {
    equal(await this.#comparison.contents(index, state), undefined)
  }

  async #everything(): Promise<void> {
    await this.#reader.refresh()
    this.#seen = this.#state
    for (const index of [this.#writer, this.#reader]) {
      await this.#same(index, this.#state)
      equal(await index.count(), this.#state.size)
    }
    const some = [...this.#state.keys()].filter((_, i, all) => i % Math.ceil(all.length / 30) === 0)
    equal(await this.#comparison.vectors(this.#writer, some, this.#state), undefined)
    deepEqual(await this.#writer.verify(), [])
    for (const on of ['writer', 'reader'] as const) {
      for (const words of [0, 1]) {
        const query = { topic: words, length: 6, n: 3 }
        await this.#search({ do: 'search', on, query, k: 30, isExhaustive: true, hybrid: words === 1, year: undefined })
      }
    }
  }

  #begin(change: Change): Running {
    const before = this.#state
    const [first, ...more] = [before]
    const states = [first, ...more]
    if (change.do === 'upsert' || change.do === 'grow') {
      const documents = change.documents.map(documentOf)
      for (let at = 0; at < documents.length; at += change.batchSize)
        states.push(withDocuments(states.at(-1)!, documents.slice(at, at + change.batchSize)))
      const added = documents.filter(({ id }) => !before.has(id)).length
      const running: Running = { states, acknowledged: 0, done: Promise.resolve() }
      const onProgress = ({ done }: { done: number }) => {
        running.acknowledged = done === documents.length ? states.length - 1 : Math.floor(done / change.batchSize)
      }
      const put = this.#writer.upsert(documents, { batchSize: change.batchSize, onProgress })
      const done = put.then((result) => equal(result.added, added))
      return Object.assign(running, { done })
    }
    if (change.do === 'delete' || change.do === 'deleteWhere') {
      const ids =
        change.do === 'delete'
          ? change.ids.filter((id) => before.has(id))
          : [...before.values()].filter(({ metadata }) => metadata.topic === change.topic).map(({ id }) => id)
      states.push(without(before, ids))
      const which = change.do === 'delete' ? [...change.ids] : { where: { topic: change.topic } }
      const done = this.#writer.delete(which).then((count) => equal(count, new Set(ids).size))
      return { states, acknowledged: 0, done }
    }
    const done = change.do === 'compact' ? this.#writer.compact() : this.#writer.prepare()
    return { states, acknowledged: 0, done }
  }

  async #search({ on, query, k, isExhaustive, hybrid, year }: Extract<Step, { do: 'search' }>): Promise<void> {
    const [index, state] = on === 'writer' ? [this.#writer, this.#state] : [this.#reader, this.#seen]
    const quoted = hybrid ? quotable(query) : undefined
    const text = `${documentOf({ ...query, kind: 'query' }).text}${quoted ? ` "${quoted}"` : ''}`
    const where = year === undefined ? undefined : { year: { gte: year } }
    const options: SearchOptions = {
      k,
      hybrid,
      ...(where && { where }),
      ...(isExhaustive && { candidates: state.size + 10 }),
    }
    const { hits, firstStage } = await index.searchDetailed(text, options)
    this.found.stages.add(firstStage)
    const passes = ({ metadata, text: own }: { metadata: { year?: unknown }; text: string }) =>
      (year === undefined || (metadata.year as number) >= year) && (!quoted || own.split(' ').includes(quoted))
    // A graph may lose some, however many candidates there are.
    const isSure = isExhaustive && !(this.#options.firstStage === 'hnsw')
    const wanted = { k, passes, isHybrid: hybrid, isExhaustive: isSure }
    equal(this.#comparison.hits(hits, text, state, wanted), undefined)
    if (isExhaustive || hybrid) return
    const exact = await index.search(text, { ...options, firstStage: 'exact' })
    const ids = new Set(hits.map(({ id }) => id))
    this.found.hits += exact.length
    this.found.exact += exact.filter(({ id, score }) => ids.has(id) || score <= (hits.at(-1)?.score ?? 0) + 1e-3).length
  }

  /** A search that begins with a change answers on one of its states. */
  async #together(change: Change, query: string): Promise<void> {
    const { states, done } = this.#begin(change)
    const k = 10
    const search = this.#writer.search(query, { k, firstStage: 'exact' })
    const [hits] = await Promise.all([search, done])
    this.#state = states.at(-1)!
    const wrong = states.map((state) => this.#comparison.hits(hits, query, state, { k }))
    ok(wrong.includes(undefined), wrong.join('\n'))
  }

  async #faulty({ change, after, times, code }: Extract<Step, { do: 'faulty' }>): Promise<void> {
    this.#hadFaults = true
    breakFiles({ path: new RegExp(`^${this.#folder}(/|$)`), code, after, times })
    const running = this.#begin(change)
    let refusal: string | undefined
    try {
      await running.done
    } catch (error) {
      refusal = (error as { code?: string }).code
      if (!refusal || !REFUSALS.test(refusal)) throw error
    } finally {
      repair()
    }
    const { states, acknowledged } = running
    if (refusal === undefined) this.#state = states.at(-1)!
    else if (refusal === 'INDEX_POISONED') return this.#reopenAs(states.slice(acknowledged, acknowledged + 2))
    else this.#state = states[Math.min(acknowledged + (refusal === 'INDEX_NOT_DURABLE' ? 1 : 0), states.length - 1)]!
    await this.#same(this.#writer, this.#state)
  }

  /** As after the process was killed while it made a change: its files as they are, in another folder. */
  async #crash({ change, turns }: Extract<Step, { do: 'crash' }>): Promise<void> {
    const running = this.#begin(change)
    const settled = running.done.catch((error: unknown) => {
      if (!this.#hadFaults || (error as { code?: string }).code !== 'INDEX_POISONED') throw error
    })
    for (let turn = 0; turn < turns; turn++) await nextTurn()
    const [copy, { acknowledged }] = [join(this.#root, `${this.#folders++}`), running]
    cpSync(this.#folder, copy, { recursive: true, filter: (path) => !/\/lock[^/]*$/.test(path) })
    await settled
    await this.#close(false)
    rmSync(this.#folder, { recursive: true })
    this.#folder = copy
    await this.#openAs(running.states.slice(acknowledged, acknowledged + 2))
    deepEqual(await this.#writer.verify(), [])
  }

  async #reopenAs(states: readonly State[]): Promise<void> {
    await this.#close(false)
    await this.#openAs(states)
  }

  /** Finds out which of the states is there. */
  async #openAs(states: readonly State[]): Promise<void> {
    await this.#open()
    const wrong: (string | undefined)[] = []
    for (const state of states) {
      wrong.push(await this.#comparison.contents(this.#writer, state))
      if (wrong.at(-1) !== undefined) continue
      this.#state = this.#seen = state
      return
    }
    ok(false, wrong.join('\n'))
  }

  /** A byte of a document's vectors changes on the disk. */
  async #damage(nth: number): Promise<void> {
    const ids = [...this.#state.keys()]
    if (ids.length === 0) return
    this.#hadFaults = true
    const id = ids[nth % ids.length]!
    await this.#close(true)
    const found = readManifest(this.#folder).segments.flatMap((segment) => {
      const rows = decodeRows(readFileSync(join(this.#folder, fileName(segment.id, 'table'))), 'table')
      return rows.filter((row) => row.id === id).map((row) => ({ row, segment: segment.id }))
    })
    const { row, segment } = found.at(-1)!
    const path = join(this.#folder, fileName(segment, 'tokens'))
    const bytes = readFileSync(path)
    bytes[row.tokenOffset + (nth % 20)]! ^= 0x10
    writeFileSync(path, bytes)
    await this.#open()
    deepEqual(
      (await this.#writer.verify()).map((problem) => [problem.id, problem.section]),
      [[id, 'vectors']],
    )
    await this.#same(this.#writer, this.#state)
    const k = this.#state.size
    const hits = await this.#writer.search(WORDS[0]!, { k, firstStage: 'exact' })
    const left = without(this.#state, [id])
    equal(this.#comparison.hits(hits, WORDS[0]!, left, { k }), undefined)
    deepEqual((await this.#writer.repair()).mended, [id])
    deepEqual(await this.#writer.verify(), [])
    // It sees what was damaged until then.
    await this.#reader.refresh()
  }
}
