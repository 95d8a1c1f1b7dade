import { writeFile } from 'node:fs/promises'
import { cpus, release, totalmem, type } from 'node:os'
import { resolve } from 'node:path'
import type { IndexStats } from '@serotine/core'
import { worstQueries } from '@serotine/core/evaluation'
import type { RetrievalEvaluation, TestCollection } from '@serotine/core/evaluation'
import { isExactInstead, methodLabel, needsFdes } from '../eval-methods.js'
import type { MethodToRun } from '../eval-methods.js'
import { formatReport } from './report.js'
import type { ReportMethod } from './report.js'

/** Numbers of candidates that a report plots in addition to the one asked for. */
export const PLOTTED_CANDIDATES: readonly number[] = [10, 20, 50, 100, 200, 400]

export interface EvalReportInput {
  readonly collection: TestCollection
  readonly model: string
  readonly stats: IndexStats
  /** What was run, in the order of the evaluation's methods. */
  readonly methods: readonly MethodToRun[]
  readonly evaluation: RetrievalEvaluation
  readonly version: string
  readonly command: string
}

/** Writes an evaluation as an HTML page and returns its full path. */
export async function writeEvalReport(file: string, input: EvalReportInput): Promise<string> {
  await writeFile(file, evalReport(input))
  return resolve(file)
}

function evalReport({ collection, model, stats, methods, evaluation, version, command }: EvalReportInput): string {
  const reported = evaluation.methods.map(({ metrics, exactTop10, cpuMs, foundBy }, i): ReportMethod => {
    const method = methods[i]!
    return {
      name: nameOf(method, foundBy, stats),
      metrics,
      exact: method.firstStage === 'exact',
      cpuMs,
      ...(exactTop10 !== undefined && { exactTop10 }),
      ...plottedAs(method, stats),
      ...bytesOf(method, foundBy, stats),
    }
  })
  const named = {
    ...evaluation,
    methods: evaluation.methods.map((method, i) => ({ ...method, name: reported[i]!.name })),
  }
  const usual = reported.findIndex(({ series, candidates }) => series !== undefined && candidates !== undefined)
  const candidates = reported[usual]?.candidates
  const looked = reported[Math.max(0, usual)]!
  const metric = 'ndcg@10' in looked.metrics ? 'ndcg@10' : Object.keys(looked.metrics)[0]!
  const [processor] = cpus()
  return formatReport({
    title: `Retrieval on ${collection.name}`,
    collections: [
      {
        name: collection.name,
        split: collection.split,
        documents: collection.documents.length,
        queries: evaluation.queries,
        model,
        methods: reported,
        ...(candidates !== undefined && { candidates }),
        worst: {
          method: looked.name,
          metric,
          queries: worstQueries(collection, named, { method: looked.name, metric }),
        },
        measured: {
          machine:
            `${processor?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ` +
            `${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${release()}`,
          versions: `serotine ${version}, node ${process.versions.node}`,
          index: `${stats.tokens.toLocaleString('en-US')} token vectors as ${stats.codec}`,
          query: `${(evaluation.encodeQueriesMs / Math.max(1, evaluation.queries)).toFixed(1)} ms to encode, not counted above`,
          ...(evaluation.ignoreIdenticalIds && { 'left out': 'documents with the query’s id' }),
          date: new Date().toISOString().slice(0, 10),
          command,
        },
      },
    ],
  })
}

const NAMES = { centroids: 'centroid codes', muvera: 'MUVERA', fde: 'FDE scan', hnsw: 'HNSW' } as const

function nameOf(method: MethodToRun, foundBy: Readonly<Record<string, number>>, stats: IndexStats): string {
  const { firstStage, candidates, alone } = method
  if (firstStage === 'exact') return 'exact MaxSim over all'
  if (firstStage === 'auto') return methodLabel(method, foundBy)
  const length = fdeLengthOf(stats)
  const numbers = needsFdes(firstStage) && length !== undefined ? ` (${length.toLocaleString('en-US')} numbers)` : ''
  const name = `${NAMES[firstStage]}${numbers}${alone ? ' alone' : `, exact MaxSim of ${candidates}`}`
  return isExactInstead(method, foundBy) ? `${name} (here exact MaxSim of all: too few tokens to learn from)` : name
}

/** Which line of the plots a method belongs to. Where there are no FDEs (few documents) everything was scored exactly. */
function plottedAs({ firstStage, candidates }: MethodToRun, stats: IndexStats): Partial<ReportMethod> {
  if (firstStage === 'exact' || firstStage === 'auto') return {}
  const fdeLength = needsFdes(firstStage) ? fdeLengthOf(stats) : undefined
  if (needsFdes(firstStage) && fdeLength === undefined) return {}
  return {
    series: firstStage === 'centroids' ? 'centroids' : NAMES[firstStage],
    ...(fdeLength !== undefined && { fdeLength }),
    ...(candidates !== undefined && { candidates }),
  }
}

/** What a method keeps per document. What `auto` keeps depends on what it comes to; the other rows have that. */
function bytesOf(
  { firstStage, alone }: MethodToRun,
  foundBy: Readonly<Record<string, number>>,
  stats: IndexStats,
): Partial<ReportMethod> {
  if (firstStage === 'auto' || (needsFdes(firstStage) && fdeLengthOf(stats) === undefined)) return {}
  const { bytes, documents, tokens } = stats
  // Two bytes per token; what was learned from the collection does not grow with it.
  const codes = firstStage === 'centroids' ? 2 * tokens : 0
  const fdes = needsFdes(firstStage) ? Number(stats.firstStages.fde!.facts.bytesPerDocument) * documents : 0
  const graph = firstStage === 'hnsw' || foundBy.hnsw !== undefined ? (bytes.hnsw ?? 0) : 0
  const all = (alone ? 0 : bytes.tokens!) + codes + fdes + graph
  return { bytesPerDocument: Math.round(all / Math.max(1, documents)) }
}

/** Numbers in an FDE; undefined where there are none, or not yet. */
export function fdeLengthOf({ firstStages }: IndexStats): number | undefined {
  const length = firstStages.fde?.facts.length
  return typeof length === 'number' ? length : undefined
}
