import { SerotineError } from '../errors.js'
import type { ModelInput } from '../text/template.js'

/** Texts padded to one matrix, ready to travel to a worker: every array is its own buffer. */
export interface Batch {
  /** `[texts × length]` */
  readonly ids: Int32Array<ArrayBuffer>
  readonly texts: number
  readonly length: number
  /** Per text: leading tokens that may be attended to. */
  readonly attended: Int32Array<ArrayBuffer>
  /** Per text: its own length. */
  readonly sizes: Int32Array<ArrayBuffer>
  /** Rows wanted, counted over texts·length, in text order. */
  readonly keep: Int32Array<ArrayBuffer>
}

export interface BatchLimits {
  /** Texts. */
  readonly batchSize: number
  /** texts × length of the longest. */
  readonly tokenBudget: number
  /** Texts longer than this, without expansion tokens, run alone. */
  readonly aloneFrom: number
}

/** Groups inputs of similar length; returns positions in `inputs`, longest first. */
export function planBatches(
  inputs: readonly ModelInput[],
  { batchSize, tokenBudget, aloneFrom }: BatchLimits,
): number[][] {
  const order = inputs.map((_, i) => i).sort((a, b) => inputs[b]!.ids.length - inputs[a]!.ids.length)
  const batches: number[][] = []
  let batch: number[] = []
  let longest = 0
  for (const i of order) {
    const alone = isLong(inputs[i]!, aloneFrom)
    const full = batch.length >= batchSize || longest * (batch.length + 1) > tokenBudget
    if (batch.length === 0 || alone || full || isLong(inputs[batch[0]!]!, aloneFrom)) {
      batch = []
      batches.push(batch)
      longest = inputs[i]!.ids.length
    }
    batch.push(i)
  }
  return batches
}

/** @param padId fills short rows; nothing attends to it */
export function packBatch(inputs: readonly ModelInput[], padId: number): Batch {
  const length = Math.max(...inputs.map((input) => input.ids.length))
  const ids = new Int32Array(inputs.length * length).fill(padId)
  const keep = new Int32Array(inputs.reduce((sum, input) => sum + input.kept.length, 0))
  let kept = 0
  inputs.forEach((input, i) => {
    ids.set(input.ids, i * length)
    for (const position of input.kept) keep[kept++] = i * length + position
  })
  return {
    ids,
    texts: inputs.length,
    length,
    attended: Int32Array.from(inputs, (input) => input.attended),
    sizes: Int32Array.from(inputs, (input) => input.ids.length),
    keep,
  }
}

/**
 * @throws INVALID_ARGUMENT when a text is longer than the model's table of positions, MODEL_CORRUPT for an id without
 *   embedding
 */
export function checkInput(
  input: ModelInput,
  position: number,
  limits: { maxLength: number; vocabSize: number },
): void {
  const { ids, attended } = input
  if (ids.length > limits.maxLength) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `texts[${position}] has ${ids.length} tokens and the model has positions for ${limits.maxLength}. ` +
        `Set documentLength or queryLength to at most ${limits.maxLength}.`,
    )
  }
  if (attended < 1 || attended > ids.length) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `texts[${position}] lets ${attended} of its ${ids.length} tokens be attended to; at least 1 is needed.`,
    )
  }
  for (const id of ids) {
    if (id >= 0 && id < limits.vocabSize) continue
    throw new SerotineError(
      'MODEL_CORRUPT',
      `Token id ${id} of texts[${position}] has no embedding: the model knows ${limits.vocabSize}. ` +
        'The tokenizer belongs to another model.',
    )
  }
}

export function isLong(
  input: { readonly ids: { readonly length: number }; readonly attended: number },
  aloneFrom: number,
): boolean {
  return input.ids.length > aloneFrom && input.attended === input.ids.length
}
