import { writeFile } from 'node:fs/promises'
import { cpus, release, totalmem, type } from 'node:os'
import { resolve } from 'node:path'
import type { IndexStats } from '@serotine/core'
import { formatReport, worstQueries } from '@serotine/core/evaluation'
import type { BeirDataset, ReportStage, RetrievalEvaluation } from '@serotine/core/evaluation'
import { isExactInstead, stageLabel } from '../eval-stages.js'
import type { StageName, StageToRun } from '../eval-stages.js'

/** Numbers of candidates that a report plots in addition to the one asked for. */
export const PLOTTED_CANDIDATES: readonly number[] = [10, 20, 50, 100, 200, 400]

export interface EvalReportInput {
  readonly dataset: BeirDataset
  readonly model: string
  readonly stats: IndexStats
  /** Stage by stage: what kind it is, and how many candidates it scores. */
  readonly kinds: readonly StageToRun[]
  readonly evaluation: RetrievalEvaluation
  readonly version: string
  readonly command: string
}

/** Writes an evaluation as an HTML page and returns its full path. */
export async function writeEvalReport(file: string, input: EvalReportInput): Promise<string> {
  await writeFile(file, evalReport(input))
  return resolve(file)
}

function isMuvera(kind: StageName): boolean {
  return kind === 'muvera' || kind === 'fde'
}

function evalReport({ dataset, model, stats, kinds, evaluation, version, command }: EvalReportInput): string {
  const fdeLength = stats.fde?.length ?? undefined
  const bytesOf = (part: 'tokens' | 'fde'): number => stats.bytes[part] / Math.max(1, stats.documents)
  // Two bytes per token, whether or not the index keeps the codes.
  const codes = (2 * stats.tokens) / Math.max(1, stats.documents)
  const bytes: Readonly<Record<StageName, number | undefined>> = {
    exact: bytesOf('tokens'),
    // What it keeps depends on what it comes to; the rows below have that.
    default: undefined,
    centroids: bytesOf('tokens') + codes,
    muvera: bytesOf('tokens') + bytesOf('fde'),
    fde: bytesOf('fde'),
  }
  const numbers = fdeLength === undefined ? '' : ` (${fdeLength.toLocaleString('en-US')} numbers)`
  const names = ({ kind, candidates }: StageToRun, foundBy: Readonly<Record<string, number>>): string => {
    const name = {
      exact: 'exact MaxSim over all',
      default: stageLabel('default', foundBy),
      centroids: `centroid codes, exact MaxSim of ${candidates}`,
      muvera: `MUVERA${numbers}, exact MaxSim of ${candidates}`,
      fde: `MUVERA${numbers} alone`,
    }[kind]
    return isExactInstead(kind, foundBy) ? `${name} (here exact MaxSim of all: too few tokens to learn from)` : name
  }
  const stages = evaluation.stages.map(({ metrics, exactTop10, cpuMs, foundBy }, i): ReportStage => {
    const { kind, candidates } = kinds[i]!
    const size = bytes[kind]
    return {
      name: names(kinds[i]!, foundBy),
      metrics,
      exact: kind === 'exact',
      cpuMs,
      ...(exactTop10 !== undefined && { exactTop10 }),
      // Without FDEs (few documents) everything was scored exactly, whatever was asked for.
      ...(kind === 'centroids' && { series: 'centroids', ...(candidates !== undefined && { candidates }) }),
      ...(isMuvera(kind) &&
        fdeLength !== undefined && { series: 'MUVERA', fdeLength, ...(candidates !== undefined && { candidates }) }),
      ...(size !== undefined && (!isMuvera(kind) || fdeLength !== undefined) && { bytesPerDocument: Math.round(size) }),
    }
  })
  const named = { ...evaluation, stages: evaluation.stages.map((stage, i) => ({ ...stage, name: stages[i]!.name })) }
  const usual = kinds.findIndex(({ kind }) => kind === 'muvera' || kind === 'centroids')
  const candidates = kinds[usual]?.candidates
  const looked = stages[Math.max(0, usual)]!
  const metric = 'ndcg@10' in looked.metrics ? 'ndcg@10' : Object.keys(looked.metrics)[0]!
  const [processor] = cpus()
  return formatReport({
    title: `Retrieval on ${dataset.name}`,
    datasets: [
      {
        name: dataset.name,
        split: dataset.split,
        documents: dataset.documents.length,
        queries: evaluation.queries,
        model,
        stages,
        ...(candidates !== undefined && { candidates }),
        worst: { stage: looked.name, metric, queries: worstQueries(dataset, named, { stage: looked.name, metric }) },
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
