import { basename, resolve } from 'node:path'
import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import type { OnWarning } from '../../errors.js'
import { jsonlFiles, partName } from './folder-contents.js'
import type { FolderContents } from './folder-contents.js'
import { checkedCollection } from './judgments.js'
import { readRecords } from './records.js'
import type { CollectionDocument, CollectionQuery, TestCollection } from './test-collection.js'

/**
 * BRIGHT: `documents/<domain>.jsonl` (`id`, `content`), `examples/<domain>.jsonl` (`id`, `query`, `gold_ids`,
 * `excluded_ids`), and for the split `long`, `long_documents/<domain>.jsonl` with `gold_ids_long`. Fields: the dataset card of
 * xlangai/BRIGHT.
 */
export async function readBright(
  folder: string,
  contents: FolderContents,
  { split = 'standard', subset, onWarning }: { split?: string; subset?: string; onWarning?: OnWarning },
): Promise<TestCollection> {
  if (split !== 'standard' && split !== 'long') {
    throw new SerotineError('INPUT_FORMAT', `BRIGHT has the splits standard and long, not ${describe(split)}.`)
  }
  const [documentsIn, goldField] = split === 'long' ? ['long_documents', 'gold_ids_long'] : ['documents', 'gold_ids']
  const domains = [...new Set(jsonlFiles(contents, 'examples').map(partName))]
  const domain = subset ?? (domains.length === 1 ? domains[0]! : undefined)
  if (domain === undefined || !domains.includes(domain)) {
    const what = domain === undefined ? 'several domains; choose one as the subset' : `no domain ${describe(domain)}`
    throw new SerotineError('INPUT_FORMAT', `${folder} holds ${what}. Domains: ${domains.join(', ')}.`)
  }
  const files = (kind: string): string[] => {
    const found = jsonlFiles(contents, kind).filter((file) => partName(file) === domain)
    if (found.length > 0) return found
    throw new SerotineError('INPUT_FORMAT', `${folder} holds examples of ${domain}, but no ${kind}/${domain}.jsonl.`)
  }
  const documents: CollectionDocument[] = []
  for await (const { id, text } of readRecords(files(documentsIn!), 'content'))
    documents.push({ id, text, metadata: {} })
  const queries: CollectionQuery[] = []
  const qrels = new Map<string, Map<string, number>>()
  const exclude = new Map<string, Set<string>>()
  for await (const { id, text, fields, place } of readRecords(files('examples'), 'query')) {
    queries.push({ id, text })
    qrels.set(id, new Map(idList(fields, goldField!, place).map((gold) => [gold, 1])))
    const excluded = idList(fields, 'excluded_ids', place)
    if (excluded.length > 0) exclude.set(id, new Set(excluded))
  }
  const name = `${basename(resolve(folder))} ${domain}`
  return checkedCollection(folder, { name, layout: 'bright', split, documents, queries, qrels, exclude }, onWarning)
}

/** BRIGHT writes `["N/A"]` where there are none. */
function idList(fields: Readonly<Record<string, unknown>>, name: string, place: string): string[] {
  const value = fields[name] ?? []
  if (!Array.isArray(value) || value.some((id) => typeof id !== 'string')) {
    throw new SerotineError('INPUT_FORMAT', `${place}: "${name}" must be a list of ids, got ${describe(value)}.`)
  }
  return (value as string[]).filter((id) => id !== 'N/A')
}
