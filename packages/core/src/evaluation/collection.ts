import { readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { SerotineError } from '../errors.js'
import { checkOptions, checkString, describe } from '../options.js'
import { readBeir } from './beir.js'
import type { BeirDataset, BeirDocument, BeirQuery, ReadBeirOptions } from './beir.js'
import { readBright } from './bright.js'
import { folderContents, jsonlFiles } from './folder-contents.js'
import type { FolderContents } from './folder-contents.js'
import { idOf, numberOf } from './formats/exact-json.js'
import { checkedDataset } from './judged.js'
import { addJudgment } from './qrels.js'
import { readObjects, readRecords } from './records.js'

/** The layouts of benchmark folders; see `docs/evaluation.md`. */
export type CollectionLayout = 'beir' | 'hugging-face' | 'long-embed' | 'bright'

export interface Collection extends BeirDataset {
  readonly layout: CollectionLayout
}

export interface ReadCollectionOptions extends ReadBeirOptions {
  /**
   * Judgments to use. Default `test`, or the only split there is. Of LongEmbed's passkey and needle, `test_256` … `test_32768`;
   * of BRIGHT, `standard` (default) or `long` (whole pages).
   */
  readonly split?: string
  /** BRIGHT's domain, when the folder holds several. */
  readonly subset?: string
}

/**
 * Reads a local copy of a benchmark, whichever layout it has: BEIR (`qrels/<split>.tsv`), folders as Hugging Face exports them
 * (MTEB, NanoBEIR: `corpus`, `queries` and `qrels`, `default` or `data` with judgments as JSON lines), LongEmbed (`qrels.jsonl`)
 * and BRIGHT (`documents` and `examples`). JSON lines only, `.gz` too; Parquet must be converted first.
 *
 * @throws INPUT_FORMAT naming what was found instead, or what makes every number of an evaluation zero (see {@link readBeir});
 *   DUPLICATE_ID
 */
export async function readCollection(folder: string, options: ReadCollectionOptions = {}): Promise<Collection> {
  checkString('folder', folder)
  checkOptions('readCollection', options, ['split', 'subset', 'onWarning'])
  const contents = await folderContents(folder)
  const layout = layoutOf(contents)
  if (options.subset !== undefined && layout !== 'bright') {
    throw new SerotineError(
      'INPUT_FORMAT',
      `${folder} is in the layout ${layout}, which has no subsets, but ${describe(options.subset)} was asked for.`,
    )
  }
  if (layout === 'bright') return { layout, ...(await readBright(folder, contents, options)) }
  if (layout === 'beir') {
    const splits = (await readdir(join(folder, 'qrels'))).flatMap(
      (name) => /^(.+)\.tsv(?:\.gz)?$/.exec(name)?.[1] ?? [],
    )
    return { layout, ...(await readBeir(folder, { ...options, split: chooseSplit(folder, splits, options.split) })) }
  }
  return { layout, ...(await readJsonLines(folder, contents, layout, options)) }
}

function layoutOf({ folder, names, has, parquet }: FolderContents): CollectionLayout {
  if (has('documents') && has('examples')) return 'bright'
  if (has('corpus') && has('queries')) {
    if (names.some((name) => /^qrels\/.+\.tsv(\.gz)?$/.test(name))) return 'beir'
    if (names.some((name) => /^qrels\.jsonl(\.gz)?$/.test(name))) return 'long-embed'
    if (has('qrels') || has('default') || has('data')) return 'hugging-face'
  }
  const found =
    names.length > 0
      ? `It holds ${names.slice(0, 8).join(', ')}${names.length > 8 ? ' and more' : ''}.`
      : 'It is empty.'
  const remedy = parquet
    ? 'Parquet is not supported: convert each file to JSON lines first, e.g. in Python: ' +
      'pandas.read_parquet(file).to_json(name, orient="records", lines=True).'
    : 'Expected corpus, queries and qrels (BEIR, MTEB, NanoBEIR, LongEmbed) or documents and examples (BRIGHT), as JSON lines.'
  throw new SerotineError('INPUT_FORMAT', `${folder} is not a collection that can be read. ${found} ${remedy}`)
}

async function readJsonLines(
  folder: string,
  contents: FolderContents,
  layout: CollectionLayout,
  { split: asked, onWarning }: ReadCollectionOptions,
): Promise<BeirDataset> {
  const { split, files } = judgmentFiles(folder, contents, layout, asked)
  const contextLength = /^test_(\d+)$/.exec(asked ?? '')?.[1]
  const wanted = contextLength === undefined ? undefined : Number(contextLength)
  const lengths = new Set<number>()
  const keeps = (length: number | undefined): boolean => {
    if (length !== undefined) lengths.add(length)
    return length === undefined || length === wanted
  }
  const { qrels, graded } = await readJudgments(files, keeps)
  const queries: BeirQuery[] = []
  for await (const { id, text } of readRecords(jsonlFiles(contents, 'queries')))
    if (qrels.has(id)) queries.push({ id, text })
  const documents: BeirDocument[] = []
  for await (const { id, title, text, contextLength: length } of readRecords(jsonlFiles(contents, 'corpus'))) {
    if (!keeps(length)) continue
    const whole = `${title ?? ''} ${text}`.trim()
    // NanoBEIR, whose judgments have no grades, holds empty texts; its evaluator leaves them out.
    if (whole === '' && !graded) continue
    documents.push({ id, text: whole, metadata: title ? { title } : {} })
  }
  if (lengths.size > 0 && (wanted === undefined || !lengths.has(wanted))) {
    const splits = [...lengths].toSorted((a, b) => a - b).map((length) => `test_${length}`)
    throw new SerotineError(
      'INPUT_FORMAT',
      `${folder} holds documents of several lengths; choose one as the split: ${splits.join(', ')}.`,
    )
  }
  return checkedDataset(folder, { name: basename(resolve(folder)), split, documents, queries, qrels }, onWarning)
}

function judgmentFiles(
  folder: string,
  contents: FolderContents,
  layout: CollectionLayout,
  asked: string | undefined,
): { split: string; files: string[] } {
  if (layout === 'long-embed') return { split: asked ?? 'test', files: jsonlFiles(contents, 'qrels') }
  const place = ['qrels', 'default', 'data'].find((name) => contents.has(name))!
  const files = jsonlFiles(contents, place)
  const splits = [...new Set(files.map(splitOfFile))]
  const split = chooseSplit(folder, splits, asked)
  return { split, files: files.filter((file) => splitOfFile(file) === split) }
}

/** `test` of `test.jsonl.gz` and of `test-00000-of-00002.jsonl`. */
function splitOfFile(file: string): string {
  return basename(file)
    .replace(/\.jsonl(\.gz)?$/, '')
    .replace(/-\d+-of-\d+$/, '')
}

function chooseSplit(folder: string, splits: readonly string[], asked: string | undefined, usual = 'test'): string {
  const split = asked ?? (splits.length === 1 ? splits[0]! : usual)
  if (splits.includes(split)) return split
  throw new SerotineError(
    'INPUT_FORMAT',
    `${folder} has no judgments for the split ${describe(split)}. Splits: ${splits.join(', ') || 'none'}.`,
  )
}

async function readJudgments(files: readonly string[], keeps: (contextLength: number | undefined) => boolean) {
  const qrels = new Map<string, Map<string, number>>()
  let graded = false
  for await (const { fields, place } of readObjects(files)) {
    if (!keeps(numberOf(fields.context_length))) continue
    const query = judgedId(fields, ['query-id', 'query_id', 'qid'], place)
    const document = judgedId(fields, ['corpus-id', 'corpus_id', 'doc_id'], place)
    const grade = numberOf(fields.score ?? 1)
    if (!Number.isSafeInteger(grade)) {
      throw new SerotineError(
        'INPUT_FORMAT',
        `${place}: "score" must be an integer, got ${describe(grade ?? fields.score)}.`,
      )
    }
    graded ||= fields.score !== undefined
    addJudgment(qrels, { query, document, grade: grade! }, place)
  }
  return { qrels, graded }
}

function judgedId(fields: Readonly<Record<string, unknown>>, names: readonly string[], place: string): string {
  const name = names.find((candidate) => fields[candidate] !== undefined)
  if (name === undefined) {
    throw new SerotineError(
      'INPUT_FORMAT',
      `${place}: expected "query-id", "corpus-id" and an integer "score" (or "qid" and "doc_id"), got the fields ` +
        `${Object.keys(fields).join(', ') || 'of an empty object'}.`,
    )
  }
  const id = idOf(fields[name])
  if ('problem' in id) throw new SerotineError('INPUT_FORMAT', `${place}: "${name}" ${id.problem}.`)
  return id.id
}
