import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SerotineError } from '../../errors.js'
import { checkOptions, checkString, describe } from '../../options.js'
import { readBeir } from './beir.js'
import type { ReadBeirOptions } from './beir.js'
import { readBright } from './bright.js'
import { folderContents } from './folder-contents.js'
import type { FolderContents } from './folder-contents.js'
import { chooseSplit, readJsonLines } from './json-lines.js'
import type { CollectionLayout, TestCollection } from './test-collection.js'

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
export async function readCollection(folder: string, options: ReadCollectionOptions = {}): Promise<TestCollection> {
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
  if (layout === 'bright') return readBright(folder, contents, options)
  if (layout === 'beir') {
    const splits = (await readdir(join(folder, 'qrels'))).flatMap(
      (name) => /^(.+)\.tsv(?:\.gz)?$/.exec(name)?.[1] ?? [],
    )
    return readBeir(folder, { ...options, split: chooseSplit(folder, splits, options.split) })
  }
  return readJsonLines(folder, contents, layout, options)
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
