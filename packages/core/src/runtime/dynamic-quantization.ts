import { createReadStream } from 'node:fs'

/** ONNX's DynamicQuantizeLinear, and ONNX Runtime's DynamicQuantizeMatMul and DynamicQuantizeLSTM. */
const OPERATOR = Buffer.from('DynamicQuantize')

/**
 * Whether a graph rounds activations to the range of the whole batch: then a text's vector depends on its neighbours,
 * unless it runs alone. Operators are named in plain bytes, so the file is searched, not parsed.
 */
export async function isDynamicallyQuantized(file: string): Promise<boolean> {
  let tail = Buffer.alloc(0)
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>) {
    const bytes = Buffer.concat([tail, chunk])
    if (bytes.includes(OPERATOR)) return true
    // The name may lie across two chunks.
    tail = bytes.subarray(Math.max(0, bytes.length - OPERATOR.length + 1))
  }
  return false
}
