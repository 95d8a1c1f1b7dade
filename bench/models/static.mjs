// One vector a text from vectors of words that no text changes: wordllama, a PyPI package. A text is the mean of those of its pieces.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PreTrainedTokenizer } from '@huggingface/transformers'

export const FILES = {
  tokenizer: 'tokenizers/l2_supercat_tokenizer_config.json',
  weights: 'weights/l2_supercat_256.safetensors',
}

export class StaticVectors {
  #tokenizer
  #table
  dim

  constructor(tokenizer, table, dim) {
    this.#tokenizer = tokenizer
    this.#table = table
    this.dim = dim
  }

  /** @param folder `wordllama/` of the unpacked wheel */
  static async load(folder) {
    const description = JSON.parse(await readFile(join(folder, FILES.tokenizer), 'utf8'))
    const tokenizer = new PreTrainedTokenizer(description, { unk_token: '<unk>' })
    const { table, dim } = halves(await readFile(join(folder, FILES.weights)))
    return new StaticVectors(tokenizer, table, dim)
  }

  /** A unit vector. */
  embed(text) {
    const mean = new Float32Array(this.dim)
    for (const id of this.#tokenizer.encode(text, { add_special_tokens: false })) {
      const at = id * this.dim
      for (let i = 0; i < this.dim; i++) mean[i] += this.#table[at + i]
    }
    const norm = Math.hypot(...mean) || 1
    return mean.map((value) => value / norm)
  }
}

/** The one float16 matrix of a safetensors file. */
function halves(file) {
  const header = Number(file.readBigUInt64LE(0))
  const tensors = Object.entries(JSON.parse(file.subarray(8, 8 + header).toString())).filter(
    ([name]) => name !== '__metadata__',
  )
  const [, { dtype, shape, data_offsets: at }] = tensors[0]
  if (tensors.length !== 1 || dtype !== 'F16')
    throw new Error(`One F16 matrix expected; got ${JSON.stringify(tensors)}.`)
  const bytes = file.subarray(8 + header + at[0], 8 + header + at[1])
  const table = Float32Array.from({ length: bytes.length / 2 }, (_, i) => half(bytes.readUInt16LE(2 * i)))
  return { table, dim: shape[1] }
}

function half(bits) {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  return bits >> 15 ? -size : size
}
