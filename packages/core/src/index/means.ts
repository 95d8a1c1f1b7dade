import type { FdeConfig } from '../fde/config.js'
import type { TokenEmbeddings } from '../types.js'

export interface Means {
  document: Float32Array
  query?: Float32Array
  norm: number
}

export function estimateMeans(sample: readonly TokenEmbeddings[]): Means {
  const dim = sample[0]!.dim
  const sum = new Float64Array(dim)
  let tokens = 0
  for (const { data, length } of sample) {
    for (let t = 0; t < length; t++) {
      let square = 0
      for (let k = 0; k < dim; k++) square += data[t * dim + k]! ** 2
      if (square === 0) continue
      tokens++
      for (let k = 0; k < dim; k++) sum[k]! += data[t * dim + k]! / Math.sqrt(square)
    }
  }
  const document = Float32Array.from(sum, (x) => x / Math.max(1, tokens))
  return { document, norm: Math.hypot(...document) }
}

export function choosePreparation({ norm }: Means): FdeConfig['prepare'] {
  return norm >= 0.7 ? 'deflate' : 'none'
}
