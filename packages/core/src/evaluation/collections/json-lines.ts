import { basename, resolve } from 'node:path'
import { SerotineError } from '../../errors.js'
import type { OnWarning } from '../../errors.js'
import { describe } from '../../options.js'
import { idOf, numberOf } from '../formats/exact-json.js'
import { addJudgment } from '../formats/qrels.js'
import { jsonlFiles, partName } from './folder-contents.js'
import type { FolderContents } from './folder-contents.js'
import { checkedCollection } from './judgments.js'
import { readObjects, readRecords } from './records.js'
import type { CollectionDocument, CollectionLayout, CollectionQuery, TestCollection } from './test-collection.js'

/** Collections whose judgments are JSON lines too: as Hugging Face exports them (MTEB, NanoBEIR), and LongEmbed. */
export async function readJsonLines(
  folder: string,
  contents: FolderContents,
  layout: CollectionLayout,
  { split: asked, onWarning }: { readonly split?: string; readonly onWarning?: OnWarning },
): Promise<TestCollection> {
  const { split, files } = judgmentFiles(folder, contents, layout, asked)
  const contextLength = /^test_(\d+)$/.exec(asked ?? '')?.[1]
  const wanted = contextLength === undefined ? undefined : Number(contextLength)
  const lengths = new Set<number>()
  const keeps = (length: number | undefined): boolean => {
    if (length !== undefined) lengths.add(length)
    return length === undefined || length === wanted
  }
  const { qrels, graded } = await readJudgments(files, keeps)
  const queries: CollectionQuery[] = []
  for await (const { id, text } of readRecords(jsonlFiles(contents, 'queries')))
    if (qrels.has(id)) queries.push({ id, text })
  const documents: CollectionDocument[] = []
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
  const name = basename(resolve(folder))
  return checkedCollection(folder, { name, layout, split, documents, queries, qrels }, onWarning)
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
  const splits = [...new Set(files.map(partName))]
  const split = chooseSplit(folder, splits, asked)
  return { split, files: files.filter((file) => partName(file) === split) }
}

/** @throws INPUT_FORMAT when there are no judgments for it */
export function chooseSplit(folder: string, splits: readonly string[], asked: string | undefined): string {
  const split = asked ?? (splits.length === 1 ? splits[0]! : 'test')
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
