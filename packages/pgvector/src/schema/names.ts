/** A name as SQL takes any name. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** What the schema of a store is called, and what is of one collection. */
export class Names {
  readonly schema: string
  readonly version: string
  readonly collections: string
  readonly partitions: string

  constructor(schema: string) {
    this.schema = quoted(schema)
    this.version = `${this.schema}.schema_version`
    this.collections = `${this.schema}.collections`
    this.partitions = `${this.schema}.partitions`
  }

  documents(collection: number): string {
    return `${this.schema}.documents_${collection}`
  }

  /** How many documents hold each word. */
  words(collection: number): string {
    return `${this.schema}.words_${collection}`
  }

  /** FDEs of one encoder: what is learned anew has a table of its own until it takes the place of the one before. */
  encodings(collection: number, version: number): string {
    return `${this.schema}.encodings_${collection}_${version}`
  }

  /** Unquoted and without its schema, as an index is named. */
  index(collection: number, version: number): string {
    return `encodings_${collection}_${version}_fde`
  }
}

/** The types and operators of pgvector, in whatever schema it was installed. */
export class VectorNames {
  /** `0.8.5` as 8 */
  readonly minor: number
  readonly schema: string

  constructor(schema: string, version: string) {
    this.schema = quoted(schema)
    const [major = 0, minor = 0] = version.split('.').map(Number)
    this.minor = major * 1000 + minor
  }

  get halfvec(): string {
    return `${this.schema}.halfvec`
  }

  /** The negative inner product. */
  get product(): string {
    return `operator(${this.schema}.<#>)`
  }

  get hamming(): string {
    return `operator(${this.schema}.<~>)`
  }

  /** The signs of a vector, as bits. */
  signs(vector: string, length: number): string {
    return `(${this.schema}.binary_quantize(${vector})::bit(${length}))`
  }

  /** Goes on looking until enough rows pass a filter. */
  get iterates(): boolean {
    return this.minor >= 8
  }
}
