import { readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { SerotineError } from '../../errors.js'
import { checkOptions } from '../../options.js'
import type { OnWarning } from '../../errors.js'
import { readQrels } from '../formats/qrels.js'
import { checkedCollection } from './judgments.js'
import { readRecords } from './records.js'
import type { CollectionDocument, CollectionQuery, TestCollection } from './test-collection.js'

export interface ReadBeirOptions {
  /** Judgments to use. Default `test`. */
  readonly split?: string
  /** Told when judged documents are not there (`JUDGED_MISSING`). */
  readonly onWarning?: OnWarning
}

/**
 * Reads a BEIR folder: `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`, each optionally with `.gz`.
 *
 * @throws INPUT_FORMAT naming file and line: broken JSON, a missing `_id` or `text`, a split that is not there, judgments of a
 *   query that is not there, no judgment, no relevant document, or none of them in the corpus; DUPLICATE_ID
 */
export async function readBeir(folder: string, options: ReadBeirOptions = {}): Promise<TestCollection> {
  checkOptions('readBeir', options, ['split', 'onWarning'])
  const { split = 'test', onWarning } = options
  const qrels = await readQrels(await qrelsFile(folder, split))
  const queries: CollectionQuery[] = []
  for await (const { id, text } of readRecords([await presentFile(folder, 'queries.jsonl')])) {
    if (qrels.has(id)) queries.push({ id, text })
  }
  const documents: CollectionDocument[] = []
  for await (const document of readBeirCorpus(folder)) documents.push(document)
  const name = basename(resolve(folder))
  return checkedCollection(folder, { name, layout: 'beir', split, documents, queries, qrels }, onWarning)
}

/** The documents of a BEIR folder one by one, for collections too large for memory. Same errors as {@link readBeir}. */
export async function* readBeirCorpus(folder: string): AsyncGenerator<CollectionDocument> {
  for await (const { id, text, title } of readRecords([await presentFile(folder, 'corpus.jsonl')])) {
    yield { id, text: `${title ?? ''} ${text}`.trim(), metadata: title ? { title } : {} }
  }
}

/** The file or its `.gz`, whichever is there. */
async function presentFile(folder: string, name: string): Promise<string> {
  for (const candidate of [name, `${name}.gz`]) {
    const path = join(folder, candidate)
    if (
      await stat(path).then(
        (entry) => entry.isFile(),
        () => false,
      )
    )
      return path
  }
  throw new SerotineError('INPUT_FORMAT', `${folder} is not a BEIR folder: it holds neither ${name} nor ${name}.gz.`)
}

async function qrelsFile(folder: string, split: string): Promise<string> {
  const names = await readdir(join(folder, 'qrels')).catch(() => [])
  const splits = names.filter((name) => /\.tsv(\.gz)?$/.test(name)).map((name) => name.replace(/\.tsv(\.gz)?$/, ''))
  if (splits.includes(split)) return presentFile(join(folder, 'qrels'), `${split}.tsv`)
  const found = splits.length > 0 ? `Splits: ${[...new Set(splits)].join(', ')}.` : 'No qrels/*.tsv found.'
  throw new SerotineError('INPUT_FORMAT', `${folder} has no judgments qrels/${split}.tsv. ${found}`)
}
