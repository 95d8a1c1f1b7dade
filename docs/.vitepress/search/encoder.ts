import * as ort from 'onnxruntime-web/wasm'
import { packBatch } from '../../../packages/core/src/runtime/batch.js'
import { Template } from '../../../packages/core/src/text/template.js'
import type { ModelInput } from '../../../packages/core/src/text/template.js'
import { createTokenizer } from '../../../packages/core/src/text/tokenizer.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import type { Contents } from './contents.js'

/** A text as the model sees it: a vector for each token that counts, and where it stands in the text. */
export interface Encoded extends TokenEmbeddings {
  /** UTF-16 offsets; −1 for tokens that are not text. */
  readonly spans: readonly { readonly start: number; readonly end: number }[]
}

/** The embedded model on ONNX Runtime's WebAssembly: core's tokenizer, template and network, without its files and threads. */
export class BrowserEncoder {
  readonly #template: Template
  readonly #session: ort.InferenceSession
  readonly #dim: number

  private constructor(template: Template, session: ort.InferenceSession, dim: number) {
    this.#template = template
    this.#session = session
    this.#dim = dim
  }

  static async open(
    { config, dim }: Pick<Contents, 'config' | 'dim'>,
    files: Readonly<Record<string, Uint8Array>>,
  ): Promise<BrowserEncoder> {
    const json = (name: string): unknown => JSON.parse(new TextDecoder().decode(files[name]))
    const tokenizer = createTokenizer(json('tokenizer.bin'), json('tokenizer-config.bin'), {
      modelType: config.encoder.modelType,
      addedTokens: [config.queryPrefix, config.documentPrefix].filter((prefix) => prefix !== ''),
    })
    ort.env.wasm.numThreads = 1
    ort.env.wasm.wasmBinary = files['runtime.bin']! as never
    const session = await ort.InferenceSession.create(files['network.bin']!, {
      executionProviders: ['wasm'],
      externalData: [{ path: 'model.safetensors', data: files['weights.bin']! }],
      logSeverityLevel: 4,
    })
    return new BrowserEncoder(new Template(tokenizer, config), session, dim)
  }

  query(text: string): Promise<Encoded> {
    return this.#encode(this.#template.query(text))
  }

  document(text: string): Promise<Encoded> {
    return this.#encode(this.#template.document(text))
  }

  async #encode(input: ModelInput): Promise<Encoded> {
    const { ids, texts, length, attended, keep } = packBatch([input], 0)
    const int32 = (data: Int32Array, dims: number[]) => new ort.Tensor('int32', data, dims)
    const outputs = await this.#session.run({
      ids: int32(ids, [texts, length]),
      attended: int32(attended, [texts]),
      keep: int32(keep, [keep.length]),
    })
    const data = Float32Array.from(outputs[this.#session.outputNames[0]!]!.data as Float32Array)
    normalizeRows(data, this.#dim)
    const spans = Array.from(input.kept, (i) => ({ start: input.starts[i]!, end: input.ends[i]! }))
    return { data, length: input.kept.length, dim: this.#dim, spans }
  }
}

function normalizeRows(rows: Float32Array, dim: number): void {
  for (let start = 0; start < rows.length; start += dim) {
    let sum = 0
    for (let i = start; i < start + dim; i++) sum += rows[i]! * rows[i]!
    const length = Math.sqrt(sum) || 1
    for (let i = start; i < start + dim; i++) rows[i] = rows[i]! / length
  }
}
