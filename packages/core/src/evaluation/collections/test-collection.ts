import type { Qrels } from '../run.js'

/** The layouts of benchmark folders; see `docs/evaluation.md`. */
export type CollectionLayout = 'beir' | 'hugging-face' | 'long-embed' | 'bright'

/** A document as an index takes it. */
export interface CollectionDocument {
  readonly id: string
  /** Title, a space and the text, trimmed: what BEIR's models and PyLate encode. */
  readonly text: string
  readonly metadata: { readonly title?: string }
}

export interface CollectionQuery {
  readonly id: string
  readonly text: string
}

/** Documents, queries, and judgments of which documents answer them. */
export interface TestCollection {
  /** The folder's name. */
  readonly name: string
  readonly layout: CollectionLayout
  readonly split: string
  readonly documents: readonly CollectionDocument[]
  /** Only the queries the split judges, in the order of the file. */
  readonly queries: readonly CollectionQuery[]
  readonly qrels: Qrels
  /** Documents to leave out, by query, where the collection says so (BRIGHT). */
  readonly exclude?: ReadonlyMap<string, ReadonlySet<string>>
  /**
   * True where the documents with a query's id are that query itself, and BEIR leaves them out for that reason: ArguAna and
   * Quora, which are told by their folder's name.
   */
  readonly ignoreIdenticalIds?: boolean
}
