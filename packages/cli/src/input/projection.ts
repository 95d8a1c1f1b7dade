import { existsSync } from 'node:fs'
import { SerotineError } from '@serotine/core'
import { readSafetensors } from '@serotine/core/checkpoint'
import type { Projection } from '@serotine/core/checkpoint'

/**
 * Reads the projection a checkpoint lacks: `linear.weight` [out × hidden] and, where present, `linear.bias` [out], named
 * as in the file of a Dense module.
 *
 * @throws INPUT_FORMAT when the file or the matrix is missing, MODEL_CORRUPT when it is damaged
 */
export function readProjection(path: string): Projection {
  const wanted =
    '--projection takes a safetensors file with linear.weight [out × hidden] and, optionally, linear.bias [out].'
  if (!existsSync(path)) throw new SerotineError('INPUT_FORMAT', `${path} does not exist. ${wanted}`)
  const tensors = readSafetensors(path)
  const shape = tensors.has('linear.weight') ? tensors.info('linear.weight').shape : undefined
  if (shape?.length !== 2)
    throw new SerotineError(
      'INPUT_FORMAT',
      `${path} has no matrix linear.weight; it has ${tensors.names().join(', ')}. ${wanted}`,
    )
  return {
    weight: tensors.f32('linear.weight'),
    outFeatures: shape[0]!,
    ...(tensors.has('linear.bias') && { bias: tensors.f32('linear.bias') }),
  }
}
