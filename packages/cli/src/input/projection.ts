import { readFile } from 'node:fs/promises'
import { SerotineError } from '@serotine/core'
import type { LoadOptions } from '@serotine/core'

interface TensorEntry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

/**
 * Reads the projection a checkpoint lacks: `linear.weight` [out × hidden] and, if it is there, `linear.bias` [out], as a
 * Dense module stores them, in F32.
 *
 * @throws INPUT_FORMAT
 */
export async function readProjection(path: string): Promise<NonNullable<LoadOptions['projection']>> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new SerotineError(
      'INPUT_FORMAT',
      `${path} ${problem}. --projection takes a safetensors file with linear.weight [out × hidden] (and linear.bias [out]) in F32.`,
      { cause },
    )
  }
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => fail(`cannot be read (${cause.code ?? cause.message})`, cause))
  if (bytes.length < 8) return fail(`holds ${bytes.length} bytes, which is no safetensors file`)
  const begin = 8 + Number(bytes.readBigUInt64LE(0))
  let header: Record<string, TensorEntry>
  try {
    header = JSON.parse(bytes.toString('utf8', 8, begin)) as Record<string, TensorEntry>
  } catch (cause) {
    return fail('is no safetensors file', cause)
  }
  const numbers = ({ dtype, shape, data_offsets: [from, to] }: TensorEntry, name: string): Float32Array => {
    const length = shape.reduce((product, size) => product * size, 1)
    if (dtype !== 'F32') fail(`stores ${name} as ${dtype}`)
    if (to - from !== length * 4 || begin + to > bytes.length) fail(`is cut short: ${name} [${shape.join(' × ')}] is not all there`)
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset + begin + from, bytes.byteOffset + begin + to))
  }
  const weight = header['linear.weight']
  const bias = header['linear.bias']
  if (weight?.shape.length !== 2) return fail(`has no matrix linear.weight; it has ${Object.keys(header).join(', ') || 'nothing'}`)
  return {
    weight: numbers(weight, 'linear.weight'),
    outFeatures: weight.shape[0]!,
    ...(bias && { bias: numbers(bias, 'linear.bias') }),
  }
}
