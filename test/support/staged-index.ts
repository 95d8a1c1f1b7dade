import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { handOverTo } from '../../packages/core/src/embedded/commit/compaction/hand-over.js'
import { Bitset } from '../../packages/core/src/embedded/commit/bitset.js'
import type { IndexFiles } from '../../packages/core/src/embedded/commit/index-files.js'
import { openFiles } from '../../packages/core/src/embedded/commit/open-files.js'
import { filesOf } from '../../packages/core/src/embedded/format/file-names.js'
import type { DerivedManifest } from '../../packages/core/src/embedded/format/manifest.js'
import type { RecordedDocument } from '../../packages/core/src/embedded/format/segment.js'
import { KeywordLists } from '../../packages/core/src/embedded/keywords/keyword-lists.js'
import { COMPRESS_TOKENS, GRAPH_NUMBERS } from '../../packages/core/src/embedded/stages/plan.js'
import { makeStages } from '../../packages/core/src/embedded/stages/registry.js'
import type { Stage } from '../../packages/core/src/embedded/stages/stage.js'
import { Upkeep } from '../../packages/core/src/embedded/stages/upkeep.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import type { Warning } from '../../packages/core/src/errors.js'
import type { FdeOptions } from '../../packages/core/src/fde/config.js'
import { encodeRecord } from '../../packages/core/src/store/records.js'
import type { TokenCodec } from '../../packages/core/src/store/records.js'
import type { FirstStage, PrepareOptions } from '../../packages/core/src/store/store.js'
import { Turns } from '../../packages/core/src/store/turns.js'
import { FakeEncoder, random, randomText } from './fake-encoder.js'

const model = new FakeEncoder()

/** Texts of ten words, the same for everybody. Number n + 1000 says what number n says: their scores tie. */
export function textOf(n: number): string {
  return randomText(random((n % 1000) + 1), 10)
}

export const embeddingsOf = (n: number): TokenEmbeddings => model.embed(textOf(n))

/** A query that goes with document n: half of its words. */
export const queryOf = (n: number): TokenEmbeddings => model.embed(textOf(n).split(' ').slice(2, 7).join(' '))

export const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

export interface StagedOptions {
  /** Default: in memory. */
  folder?: string | undefined
  preferred?: FirstStage
  /** Default: small ones by hyperplanes, which few documents suffice for. */
  fde?: FdeOptions | null
  codec?: TokenCodec
  readonly?: boolean
  segmentBytes?: number
  hnswlib?: unknown
  graphNumbers?: number
  compressTokens?: number
}

export interface Answer {
  readonly ids: readonly string[]
  readonly ordinals: readonly number[]
  readonly scores: readonly number[]
}

/** A small index as first stages see one: files, stages, upkeep, and changes one after the other. */
export class StagedIndex {
  readonly files: IndexFiles
  readonly stages: ReadonlyMap<string, Stage>
  readonly warnings: Warning[] = []
  readonly #upkeep: Upkeep
  readonly turns = new Turns()
  /** None. */
  readonly keywords: KeywordLists

  private constructor(files: IndexFiles, options: StagedOptions) {
    const { preferred = 'auto', hnswlib, graphNumbers = GRAPH_NUMBERS, compressTokens = COMPRESS_TOKENS } = options
    this.files = files
    const onWarning = (warning: Warning) => void this.warnings.push(warning)
    this.stages = makeStages({ files, preferred, hnswlib, onWarning, graphNumbers, compressTokens })
    this.keywords = new KeywordLists(files, false, onWarning)
    this.#upkeep = new Upkeep(files, this.stages, this.keywords, this.turns, onWarning)
  }

  static async open(options: StagedOptions = {}): Promise<StagedIndex> {
    const { folder, codec = 'int8', readonly = false, segmentBytes } = options
    const { fde = { partitioning: 'hyperplanes', repetitions: 8, simHashBits: 3, finalDim: 256 } } = options
    const initial = { codec, dim: model.dim, model: null, fde, keywords: false as const }
    return new StagedIndex(await openFiles(folder, initial, { readonly, create: true, segmentBytes }), options)
  }

  stage(name: string): Stage {
    return this.stages.get(name)!
  }

  derived(name: string): DerivedManifest | undefined {
    return this.files.manifest.derived[name]
  }

  inTurn<T>(change: () => Promise<T>): Promise<T> {
    return this.turns.take(change)
  }

  /** Documents `d<n>`, in the place of those with the same ids. `coded: false`: as by a build without the first stages. */
  put(which: readonly number[], { coded = true } = {}): Promise<void> {
    return this.inTurn(async () => {
      const { collection, manifest } = this.files
      const documents = which.map((n) => recorded(n, manifest.codec))
      const deleted = documents.flatMap(({ id }) => collection.ordinalOf(id) ?? [])
      await this.files.commit({ documents, deleted, dim: model.dim, model: null }, coded ? await this.coders() : [])
    })
  }

  delete(which: readonly number[]): Promise<void> {
    return this.inTurn(async () => {
      const deleted = which.map((n) => this.files.collection.ordinalOf(`d${n}`)!)
      await this.files.commit({ documents: [], deleted, dim: model.dim, model: null }, await this.coders())
    })
  }

  compact(signal?: AbortSignal): Promise<void> {
    const handOver = handOverTo([...this.stages.values(), this.keywords])
    return this.inTurn(() => this.files.compact({ signal, handOver }))
  }

  upkeep(options: PrepareOptions = {}): Promise<void> {
    return this.#upkeep.run(options)
  }

  async coders() {
    const coders = await Promise.all([...this.stages.values()].map((stage) => stage.coder?.()))
    return coders.filter((coder) => coder !== undefined)
  }

  /** What a first stage finds now; undefined when nothing is there. */
  async search(name: string, query: TokenEmbeddings, count: number, allowed?: Bitset): Promise<Answer | undefined> {
    const { collection } = this.files
    const searcher = await this.stage(name).searcher(collection)
    if (!searcher) return undefined
    const found = searcher.search(query, count, allowed ?? collection.searchable())
    const ordinals = [...found.ordinals]
    return { ids: ordinals.map((ordinal) => collection.row(ordinal).id), ordinals, scores: [...found.scores] }
  }

  async answers(name: string, queries: readonly number[], count = 20): Promise<(Answer | undefined)[]> {
    return Promise.all(queries.map((n) => this.search(name, queryOf(n), count)))
  }

  async close(): Promise<void> {
    for (const stage of this.stages.values()) await stage.flush?.()
    this.files.close()
  }
}

function recorded(n: number, codec: TokenCodec): RecordedDocument {
  const embeddings = embeddingsOf(n)
  const record = encodeRecord(codec, embeddings)
  return { id: `d${n}`, text: undefined, metadata: '{}', hash: '0'.repeat(32), tokens: embeddings.length, record }
}

export function bitsetOf(ordinals: Iterable<number>): Bitset {
  const bits = new Bitset()
  for (const ordinal of ordinals) bits.add(ordinal)
  return bits
}

/** Names of the files in an index's folder that belong to the first stage. */
export function stageFiles(folder: string, name: string): string[] {
  return readdirSync(folder).filter((file) => file.includes(`.${name}-`))
}

/** Faults of the folder: files the manifest does not mention, files it mentions that are missing or of another length. */
export function faultsOf({ files }: StagedIndex): string[] {
  const { folder, manifest } = files
  const there = readdirSync(folder!).filter((name) => !['lock', 'manifest.json'].includes(name))
  const known = filesOf(manifest)
  const extents = Object.values(manifest.derived).flatMap((derived) => Object.values(derived.files))
  return [
    ...there.filter((name) => !known.includes(name)).map((name) => `${name} is left over`),
    ...known.filter((name) => !there.includes(name)).map((name) => `${name} is missing`),
    ...extents
      .filter(({ file, bytes }) => there.includes(file) && statSync(join(folder!, file)).size !== bytes)
      .map(({ file }) => `${file} has another length`),
  ]
}
