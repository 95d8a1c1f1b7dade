import type { BertConfig } from '../checkpoint/types.js'
import { DataType } from './onnx.js'
import type { Value } from './onnx.js'
import type { TransformerGraph } from './transformer.js'

/**
 * BERT (Devlin et al. 2019): word + position + token type 0 embeddings, then post-norm layers. No pooler. RoBERTa
 * differs in its positions alone; DistilBERT has no token types.
 * Returns the kept rows `[kept × hidden]`; the last layer's feed-forward runs on these only.
 */
export function buildBert(t: TransformerGraph, config: BertConfig): Value {
  const { graph } = t
  const bias = t.keyBias()
  let x = embed(t, config)
  for (let i = 0; i < config.layers; i++) {
    const layer = `encoder.layer.${i}`
    const [q, k, v] = ['query', 'key', 'value'].map((name) =>
      t.sequences(t.linear(x, `${layer}.attention.self.${name}`, true)),
    )
    let context = t.rows(t.attention(q!, k!, v!, bias))
    if (i === config.layers - 1) [context, x] = [t.pick(context), t.pick(x)]
    const attended = graph.op('Add', [t.linear(context, `${layer}.attention.output.dense`, true), x])
    x = t.layerNorm(attended, `${layer}.attention.output.LayerNorm`, true)
    const inner = t.activation(t.linear(x, `${layer}.intermediate.dense`, true))
    x = t.layerNorm(
      graph.op('Add', [t.linear(inner, `${layer}.output.dense`, true), x]),
      `${layer}.output.LayerNorm`,
      true,
    )
  }
  return x
}

function embed(t: TransformerGraph, config: BertConfig): Value {
  const { graph } = t
  let positions = t.weight('embeddings.position_embeddings.weight')
  if (t.tensors.has('embeddings.token_type_embeddings.weight')) {
    // Every token is of type 0; ONNX Runtime folds this sum when it loads the model.
    const types = t.weight('embeddings.token_type_embeddings.weight')
    positions = graph.op('Add', [positions, graph.op('Slice', [types, graph.ints(0), graph.ints(1)])])
  }
  const words = graph.op('Gather', [t.weight('embeddings.word_embeddings.weight'), t.ids])
  const sum = graph.op('Add', [words, placed(t, positions, config.positionsAfter)])
  return t.rows(t.layerNorm(sum, 'embeddings.LayerNorm', true))
}

/** The position embedding of each token, `[batch or 1 × length × hidden]`. */
function placed(t: TransformerGraph, positions: Value, after: number | undefined): Value {
  const { graph } = t
  if (after === undefined) {
    const length = graph.op('Slice', [graph.op('Shape', [t.ids]), graph.ints(1), graph.ints(2)])
    return graph.op('Slice', [positions, graph.ints(0), length])
  }
  // RoBERTa counts the tokens that are not its padding token. PyLate pads with the mask token, so that those count too.
  const real = graph.op('Cast', [graph.op('Not', [graph.op('Equal', [t.ids, t.int32(after)])])], { to: DataType.int32 })
  const counted = graph.op('Mul', [graph.op('CumSum', [real, graph.int(1)]), real])
  return graph.op('Gather', [positions, graph.op('Add', [counted, t.int32(after)])])
}
