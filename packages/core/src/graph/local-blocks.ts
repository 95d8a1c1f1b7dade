import { DataType } from './onnx.js'
import type { Value } from './onnx.js'
import type { TransformerGraph } from './transformer.js'

/** Logit of a key outside the window. */
const HIDDEN = -1e9

/**
 * Sliding-window attention over one long text in linear time: queries in blocks of `window`, each against the three
 * blocks of keys around it. Only for one text without masked tokens.
 *
 *     keys      | pad | b0 | b1 | b2 | pad |
 *     block 0   [-----|----|----]
 *     block 1         [----|----|----]
 */
export class LocalBlocks {
  /** `[blocks × 1 × window × 3·window]` */
  readonly #bias: Value
  readonly #padded: Value
  readonly #queryPads: Value
  readonly #keyPads: Value

  constructor(
    readonly t: TransformerGraph,
    readonly window: number,
  ) {
    const { graph } = t
    const length = graph.op('Slice', [graph.op('Shape', [t.ids]), graph.ints(1), graph.ints(2)])
    const missing = graph.op('Mod', [graph.op('Neg', [length]), graph.ints(window)])
    this.#padded = graph.op('Add', [length, missing])
    this.#queryPads = graph.op('Concat', [graph.ints(0, 0, 0, 0), missing, graph.ints(0)], { axis: 0 })
    this.#keyPads = graph.op(
      'Concat',
      [graph.ints(0, window, 0, 0), graph.op('Add', [missing, graph.ints(window)]), graph.ints(0)],
      { axis: 0 },
    )
    const keys = graph.input('blockKeys', DataType.float, ['blocks', 1, 1, 3 * window])
    this.#bias = graph.op('Add', [graph.floats(`band ${window}`, [1, 1, window, 3 * window], band(window)), keys])
  }

  attention(q: Value, k: Value, v: Value): Value {
    const { t, window } = this
    const {
      graph,
      shape: { hiddenSize },
    } = t
    const blocks = graph.op('Reshape', [graph.op('Pad', [q, this.#queryPads]), graph.ints(-1, window, hiddenSize)])
    const context = t.fusedAttention(blocks, this.#surroundings(k), this.#surroundings(v), this.#bias)
    const whole = graph.op('Reshape', [context, graph.ints(1, -1, hiddenSize)])
    const length = graph.op('Slice', [graph.op('Shape', [t.ids]), graph.ints(1), graph.ints(2)])
    return graph.op('Slice', [whole, graph.ints(0), length, graph.ints(1)])
  }

  /** `[1 × length × hidden]` → `[blocks × 3·window × hidden]`: each block with its two neighbours. */
  #surroundings(x: Value): Value {
    const {
      window,
      t: {
        graph,
        shape: { hiddenSize },
      },
    } = this
    const padded = graph.op('Pad', [x, this.#keyPads])
    const shifted = [0, window, 2 * window].map((offset) => {
      const part = graph.op('Slice', [
        padded,
        graph.ints(offset),
        graph.op('Add', [this.#padded, graph.ints(offset)]),
        graph.ints(1),
      ])
      return graph.op('Reshape', [part, graph.ints(-1, window, hiddenSize)])
    })
    return graph.op('Concat', shifted, { axis: 1 })
  }
}

/** Which key slots of a text's blocks hold a token: the `blockKeys` input, `[blocks × 1 × 1 × 3·window]`. */
export function blockKeys(
  length: number,
  window: number,
): { data: Float32Array; dims: [number, number, number, number] } {
  const blocks = Math.ceil(length / window)
  const data = new Float32Array(blocks * 3 * window)
  for (let i = 0; i < data.length; i++) {
    const position = Math.floor(i / (3 * window)) * window - window + (i % (3 * window))
    if (position < 0 || position >= length) data[i] = HIDDEN
  }
  return { data, dims: [blocks, 1, 1, 3 * window] }
}

/** 0 where query i of a block may see key slot j (at most `window` apart), else HIDDEN. */
function band(window: number): Float32Array {
  const width = 3 * window
  const bias = new Float32Array(window * width)
  for (let i = 0; i < window; i++) {
    for (let j = 0; j < width; j++) if (Math.abs(i - (j - window)) > window) bias[i * width + j] = HIDDEN
  }
  return bias
}
