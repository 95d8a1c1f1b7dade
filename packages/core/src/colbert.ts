import { checkInteger, checkOptions, checkString, describe } from './options.js'
import { SerotineError } from './errors.js'
import type { OnWarning } from './errors.js'
import { readCheckpoint } from './checkpoint/config.js'
import type { ColBERTConfig } from './checkpoint/types.js'
import { resolveCheckpoint } from './hub/resolve.js'
import {
  ENCODE_ALIASES,
  ENCODE_OPTIONS,
  INPUT_OPTIONS,
  LOAD_OPTIONS,
  OVERRIDES,
  RESOLVE,
  RUNTIME,
} from './load-options.js'
import type { LoadOptions } from './load-options.js'
import { poolEmbeddings } from './pooling.js'
import type { RuntimeKind } from './runtime/ort.js'
import { createRuntime } from './runtime/runtime.js'
import type { Runtime } from './runtime/runtime.js'
import { dotProducts, matchTokens } from './scoring/explain.js'
import type { TextMatch, TextToken, TokenSimilarities } from './scoring/explain.js'
import { maxSimMany } from './scoring/maxsim.js'
import { Template } from './text/template.js'
import type { ModelInput } from './text/template.js'
import { tokenizerDigest, wrapTokenizer } from './text/external-tokenizer.js'
import { createTokenizer } from './text/tokenizer.js'
import { requireEmbeddings } from './text/vocabulary.js'
import type { Tokenizer } from './text/tokenizer.js'
import type { EncodeOptions, Encoder, RankedDocument, RerankOptions } from './encoder.js'
import type { TokenEmbeddings } from './embeddings.js'

/** A text as the network saw it: a vector for each token. */
interface Tokens {
  readonly row: TokenEmbeddings
  readonly tokens: readonly TextToken[]
}

/**
 * A late-interaction checkpoint, ready to encode.
 *
 * @example
 * const model = await ColBERT.load()
 * const [best] = await model.rerank('flightless birds', ['Penguins swim.', 'Kiwis cannot fly.'])
 */
export class ColBERT implements Encoder {
  /** Components per token. */
  readonly dim: number
  readonly name: string
  /** The folder the checkpoint was read from. */
  readonly folder: string
  /** Changes whenever the same text could give other vectors: weights, tokenizer, lengths, prefixes, dtype. */
  readonly fingerprint: string
  /** What the checkpoint says of itself: lengths, prefixes, layers. */
  readonly config: Readonly<ColBERTConfig>
  /** Which build of ONNX Runtime computes: `native`, `wasm`, or `given` by the `ort` option. */
  readonly runtime: RuntimeKind
  readonly #template: Template
  readonly #tokenizer: Tokenizer
  readonly #runtime: Runtime
  readonly #onWarning: OnWarning | undefined
  #closed = false
  static #shared: Promise<ColBERT> | undefined

  private constructor(parts: {
    name: string
    folder: string
    fingerprint: string
    config: ColBERTConfig
    tokenizer: Tokenizer
    runtime: Runtime
    onWarning: OnWarning | undefined
  }) {
    this.name = parts.name
    this.folder = parts.folder
    this.fingerprint = parts.fingerprint
    this.config = parts.config
    this.dim = parts.runtime.dim
    this.runtime = parts.runtime.kind
    this.#tokenizer = parts.tokenizer
    this.#template = new Template(parts.tokenizer, parts.config)
    this.#runtime = parts.runtime
    this.#onWarning = parts.onWarning
  }

  /**
   * Loads a PyLate, Sentence Transformers or stanford-ColBERT checkpoint as it is.
   *
   * @param idOrFolder an embedded model: `micro`, which is the default, or `small`, once `@serotine/model-small` is
   *   installed; a folder (never touches the network); or a Hugging Face Hub id (`org/name`)
   * @throws MODEL_FILES_MISSING, MODEL_UNSUPPORTED, MODEL_CORRUPT, OFFLINE, DOWNLOAD_FAILED, RUNTIME_MISSING
   */
  static async load(idOrFolder?: string, options: LoadOptions = {}): Promise<ColBERT> {
    if (idOrFolder !== undefined) checkString('The model', idOrFolder)
    checkOptions('ColBERT.load', options, LOAD_OPTIONS, {
      device: 'threads',
      local_files_only: 'offline',
      cache_folder: 'cacheDir',
    })
    const own = options.tokenizer === undefined ? undefined : wrapTokenizer(options.tokenizer)
    const { name, folder } = await resolveCheckpoint(idOrFolder, pick(options, RESOLVE))
    options.signal?.throwIfAborted()
    const checkpoint = await readCheckpoint(folder, pick(options, OVERRIDES), options.onWarning, own !== undefined)
    const { queryPrefix, documentPrefix } = checkpoint.config
    const tokenizer =
      own ??
      createTokenizer(checkpoint.tokenizerJson, checkpoint.tokenizerConfig, {
        modelType: checkpoint.modelType,
        modelTokenizerClass: checkpoint.modelTokenizerClass,
        addedTokens: [queryPrefix, documentPrefix].filter((prefix) => prefix !== ''),
      })
    const { encoder } = checkpoint.config
    requireEmbeddings(tokenizer, encoder.modelType === 'onnx' ? Infinity : encoder.vocabSize, {
      queryPrefix,
      documentPrefix,
    })
    const runtime = await createRuntime(checkpoint, pick(options, [...RUNTIME, 'onWarning']))
    const variant = [
      runtime.variant,
      options.maskedAttention ?? 'zeros',
      ...(own ? [`own tokenizer ${tokenizerDigest(own)}`] : []),
    ].join(', ')
    try {
      options.signal?.throwIfAborted()
      return new ColBERT({
        name,
        folder,
        tokenizer,
        runtime,
        config: checkpoint.config,
        fingerprint: `${checkpoint.fingerprint} (${variant})`,
        onWarning: options.onWarning,
      })
    } catch (error) {
      await runtime.close()
      throw error
    }
  }

  /** The embedded model, loaded once per process and shared. After it has been closed, the next call loads it again. */
  static async shared(): Promise<ColBERT> {
    const loading = (ColBERT.#shared ??= ColBERT.load())
    const model = await loading.catch((error: unknown) => {
      if (ColBERT.#shared === loading) ColBERT.#shared = undefined
      throw error
    })
    if (!model.#closed) return model
    if (ColBERT.#shared === loading) ColBERT.#shared = undefined
    return ColBERT.shared()
  }

  /** One `[tokens × dim]` matrix per query, in the order given. With query expansion always `queryLength` tokens. */
  encodeQueries(texts: readonly string[], options: EncodeOptions = {}): Promise<TokenEmbeddings[]> {
    return this.#encode('query', texts, options)
  }

  /** One `[tokens × dim]` matrix per document, in the order given; skiplist words (punctuation) have no vector. */
  encodeDocuments(texts: readonly string[], options: EncodeOptions = {}): Promise<TokenEmbeddings[]> {
    return this.#encode('document', texts, options)
  }

  /** What the network sees for a query: ids, attended and kept positions, character offsets. */
  queryInput(text: string, options: Pick<EncodeOptions, 'prompt' | 'promptName'> = {}): ModelInput {
    checkOptions('queryInput', options, INPUT_OPTIONS, ENCODE_ALIASES)
    return this.#input('query', checkString('The query', text), options)
  }

  /** What the network sees for a document: ids, attended and kept positions, character offsets. */
  documentInput(text: string, options: Pick<EncodeOptions, 'prompt' | 'promptName'> = {}): ModelInput {
    checkOptions('documentInput', options, INPUT_OPTIONS, ENCODE_ALIASES)
    return this.#input('document', checkString('The document', text), options)
  }

  /** MaxSim of one query against texts. `scores[i]` belongs to `documents[i]`; divide by `queryTokens` for −1 … 1. */
  async score(
    query: string,
    documents: readonly string[],
    options: Omit<RerankOptions, 'topN'> = {},
  ): Promise<{ scores: number[]; queryTokens: number }> {
    checkOptions('score', options, ['prompt', 'promptName', 'signal', 'onProgress', 'onWarning'], ENCODE_ALIASES)
    checkString('The query', query)
    const { prompt, promptName, ...rest } = options
    const [queryEmbeddings] = await this.encodeQueries([query], {
      ...pick({ prompt, promptName }, ['prompt', 'promptName']),
      ...pick(rest, ['signal', 'onWarning']),
    })
    const documentEmbeddings = await this.encodeDocuments(documents, rest)
    return {
      scores: Array.from(maxSimMany(queryEmbeddings!, documentEmbeddings)),
      queryTokens: queryEmbeddings!.length,
    }
  }

  /**
   * Ranks a given list by exact MaxSim; no index needed. Nothing is mutated; equal scores keep the order given.
   *
   * `prompt` and `promptName` apply to the query.
   *
   * @throws INVALID_ARGUMENT, UNKNOWN_OPTION, CLOSED; the signal's reason when aborted
   */
  async rerank<D extends string | { readonly text: string }>(
    query: string,
    documents: readonly D[],
    options: RerankOptions = {},
  ): Promise<RankedDocument<D>[]> {
    checkOptions('rerank', options, ['topN', 'prompt', 'promptName', 'signal', 'onProgress', 'onWarning'], {
      k: 'topN',
      topK: 'topN',
      top_n: 'topN',
      abortSignal: 'signal',
    })
    const { topN, ...rest } = options
    if (topN !== undefined) checkInteger('topN', topN, 1)
    if (!Array.isArray(documents)) {
      throw new SerotineError('INVALID_ARGUMENT', `rerank takes an array of documents, got ${describe(documents)}.`)
    }
    const texts = documents.map((document, i) =>
      checkString(
        `documents[${i}]`,
        typeof document === 'string' ? document : (document as { text?: unknown } | null)?.text,
      ),
    )
    if (texts.length === 0) {
      checkString('The query', query)
      return []
    }
    const { scores, queryTokens } = await this.score(query, texts, rest)
    return scores
      .map((score, index) => ({ index, score }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .slice(0, topN)
      .map(({ index, score }, i) => ({
        index,
        score,
        document: documents[index]!,
        meanSimilarity: score / queryTokens,
        rank: i + 1,
      }))
  }

  /**
   * Shows which document token answered each query token: what MaxSim summed, in characters of the two texts.
   * The similarities add up to the score.
   *
   * @throws INVALID_ARGUMENT, UNKNOWN_OPTION, CLOSED
   */
  async explain(
    query: string,
    text: string,
    options: Pick<EncodeOptions, 'prompt' | 'promptName' | 'signal'> = {},
  ): Promise<TextMatch[]> {
    checkOptions('explain', options, ['prompt', 'promptName', 'signal'])
    const [asked, answered] = await this.#pair(query, text, options)
    return matchTokens(asked.row, answered.row).map((match) => {
      const { token: queryToken, start: queryStart, end: queryEnd } = asked.tokens[match.queryToken]!
      return {
        queryToken,
        queryStart,
        queryEnd,
        ...answered.tokens[match.documentToken]!,
        similarity: match.similarity,
      }
    })
  }

  /**
   * How similar each token of a query is to each of a text: all that `explain` takes the best of.
   *
   * @throws INVALID_ARGUMENT, UNKNOWN_OPTION, CLOSED
   */
  async similarities(
    query: string,
    text: string,
    options: Pick<EncodeOptions, 'prompt' | 'promptName' | 'signal'> = {},
  ): Promise<TokenSimilarities> {
    checkOptions('similarities', options, ['prompt', 'promptName', 'signal'])
    const [asked, answered] = await this.#pair(query, text, options)
    return {
      queryTokens: asked.tokens,
      documentTokens: answered.tokens,
      similarities: Float32Array.from(dotProducts(asked.row, answered.row)),
    }
  }

  /** Ends the workers and frees the network. Calling it twice is fine; encoding afterwards throws CLOSED. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#runtime.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A query and a text: their vectors, and the token of each. */
  async #pair(
    query: string,
    text: string,
    { signal, ...prompt }: Pick<EncodeOptions, 'prompt' | 'promptName' | 'signal'>,
  ): Promise<[Tokens, Tokens]> {
    const inputs = [this.queryInput(query, prompt), this.documentInput(text)]
    const rows = await this.#run(inputs, pick({ signal }, ['signal']))
    const [asked, answered] = inputs.map(({ ids, starts, ends, kept }, n) => ({
      row: rows[n]!,
      tokens: Array.from(kept, (i) => ({
        token: this.#tokenizer.idToToken(ids[i]!) ?? '',
        start: starts[i]!,
        end: ends[i]!,
      })),
    }))
    return [asked!, answered!]
  }

  async #encode(
    kind: 'query' | 'document',
    texts: readonly string[],
    options: EncodeOptions,
  ): Promise<TokenEmbeddings[]> {
    const method = kind === 'query' ? 'encodeQueries' : 'encodeDocuments'
    checkOptions(method, options, ENCODE_OPTIONS, ENCODE_ALIASES)
    if (!Array.isArray(texts)) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `${method} takes an array of strings, got ${describe(texts)}. Wrap one text as [text].`,
      )
    }
    const poolFactor = checkInteger('poolFactor', options.poolFactor ?? 1, 0)
    const protectedTokens = checkInteger('protectedTokens', options.protectedTokens ?? 1, 0)
    if (texts.length === 0) return []
    options.signal?.throwIfAborted()
    const prompt = pick(options, ['prompt', 'promptName'])
    const inputs = texts.map((text, i) => this.#input(kind, checkString(`texts[${i}]`, text), prompt))
    this.#reportCuts(kind, inputs, options.onWarning ?? this.#onWarning)
    const embeddings = await this.#run(inputs, options)
    if (kind === 'query' || poolFactor < 2) return embeddings
    return embeddings.map((matrix) => poolEmbeddings(matrix, poolFactor, protectedTokens))
  }

  #input(kind: 'query' | 'document', text: string, choice: Pick<EncodeOptions, 'prompt' | 'promptName'>): ModelInput {
    const { prompt, promptName } = choice
    const rolePrompt = this.config.rolePrompts?.[kind]
    if (prompt === undefined && promptName === undefined && rolePrompt !== undefined) {
      return this.#template[kind](text, { prompt: rolePrompt })
    }
    return this.#template[kind](text, choice)
  }

  async #run(inputs: ModelInput[], options: EncodeOptions): Promise<TokenEmbeddings[]> {
    if (this.#closed) throw new SerotineError('CLOSED', `The model "${this.name}" was closed. Load it again to encode.`)
    const { onProgress } = options
    const started = performance.now()
    let tokens = 0
    const rows = await this.#runtime.run(inputs, {
      normalize: options.normalize ?? true,
      ...pick(options, ['signal', 'batchSize']),
      ...(onProgress && {
        onBatch: (done: number, batchTokens: number) => {
          tokens += batchTokens
          const tokensPerSecond = (tokens / (performance.now() - started)) * 1000
          onProgress({ phase: 'encode', done, total: inputs.length, tokensPerSecond })
        },
      }),
    })
    return rows.map((data, i) => ({ data, length: inputs[i]!.kept.length, dim: this.dim }))
  }

  #reportCuts(kind: 'query' | 'document', inputs: readonly ModelInput[], onWarning: OnWarning | undefined): void {
    if (!onWarning) return
    const cut = inputs.filter((input) => input.cut > 0)
    if (cut.length === 0) return
    const [length, option] =
      kind === 'query'
        ? ([this.config.queryLength, 'queryLength'] as const)
        : ([this.config.documentLength, 'documentLength'] as const)
    // Not Math.max(...): a call takes only some 100,000 arguments.
    const longest = cut.reduce((most, input) => Math.max(most, input.cut), 0)
    onWarning({
      code: 'TRUNCATED',
      message:
        `${cut.length} of ${inputs.length} ${kind === 'query' ? 'queries' : 'documents'} did not fit ${length} tokens; ` +
        `up to ${longest} tokens were left out. Split the texts, or raise ${option}.`,
      truncated: { kind, cut: cut.length, texts: inputs.length, length, longest },
    })
  }
}

/** The given keys of an object, without those that are undefined. */
function pick<T extends object, K extends keyof T>(
  object: T,
  keys: readonly K[],
): { [P in K]?: Exclude<T[P], undefined> } {
  const picked: { [P in K]?: Exclude<T[P], undefined> } = {}
  for (const key of keys) {
    if (object[key] !== undefined) picked[key] = object[key] as Exclude<T[K], undefined>
  }
  return picked
}
