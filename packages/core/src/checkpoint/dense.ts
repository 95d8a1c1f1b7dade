import { join, posix } from 'node:path'
import { checkOptions } from '../options.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import { checkShape } from './encoder-config.js'
import { JsonFile } from './json-file.js'
import type { ModuleEntry } from './modules.js'
import type { Activation, ConfigOverrides, DenseConfig, EncoderConfig, Tensors } from './types.js'

/** Last part of torch's class names → ours. All are built without arguments, as PyLate does: torch's defaults. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  Identity: 'identity',
  Tanh: 'tanh',
  ReLU: 'relu',
  ReLU6: 'relu6',
  GELU: 'gelu',
  SiLU: 'silu',
  Sigmoid: 'sigmoid',
  LeakyReLU: 'leaky_relu',
  ELU: 'elu',
  CELU: 'celu',
  SELU: 'selu',
  Mish: 'mish',
  Softplus: 'softplus',
  Softsign: 'softsign',
  Hardtanh: 'hardtanh',
  Hardsigmoid: 'hardsigmoid',
  Hardswish: 'hardswish',
}
const KNOWN_KEYS = [
  'in_features',
  'out_features',
  'bias',
  'activation_function',
  'use_residual',
  'module_input_name',
  'module_output_name',
]

/**
 * Reads a Dense module's `config.json`.
 *
 * @throws MODEL_FILES_MISSING, MODEL_UNSUPPORTED naming an unknown key or activation, MODEL_CORRUPT
 */
export async function readDenseConfig(folder: string, module: ModuleEntry): Promise<DenseConfig> {
  const name = posix.join(module.path, 'config.json')
  const json = await JsonFile.read(folder, name)
  if (!json)
    throw new SerotineError(
      'MODEL_FILES_MISSING',
      `${join(folder, name)} is missing: modules.json names ${module.path} as a Dense layer.`,
    )
  for (const key of Object.keys(json.values)) {
    if (KNOWN_KEYS.includes(key)) continue
    throw new SerotineError('MODEL_UNSUPPORTED', `${json.path}: unknown key "${key}". Known: ${KNOWN_KEYS.join(', ')}.`)
  }
  // PyLate's Dense defaults to the identity, the Sentence Transformers one to tanh.
  const fallback = module.type.startsWith('pylate.')
    ? 'torch.nn.modules.linear.Identity'
    : 'torch.nn.modules.activation.Tanh'
  return {
    path: module.path,
    inFeatures: json.size('in_features'),
    outFeatures: json.size('out_features'),
    bias: json.boolean('bias') ?? true,
    activation: parseActivation(json.string('activation_function') ?? fallback, json.path),
    useResidual: json.boolean('use_residual') ?? false,
  }
}

/** Strict, as PyLate loads it: exactly the tensors the configuration names, in exactly its shapes. @throws MODEL_CORRUPT */
export function checkDense(dense: DenseConfig, tensors: Tensors): void {
  const { inFeatures, outFeatures, bias, useResidual, path } = dense
  const expected: Record<string, number[]> = { 'linear.weight': [outFeatures, inFeatures] }
  if (bias) expected['linear.bias'] = [outFeatures]
  if (useResidual && inFeatures !== outFeatures) expected['residual.weight'] = [outFeatures, inFeatures]
  const found = tensors.names()
  const extra = found.find((name) => !(name in expected))
  if (extra !== undefined) {
    const hint =
      extra === 'residual.weight'
        ? ` Pass denseOverrides: { '${path}': { useResidual: true } } if the layer was trained with it.`
        : ''
    throw new SerotineError(
      'MODEL_CORRUPT',
      `${tensors.name} holds "${extra}", which ${path}/config.json does not mention ` +
        `(bias ${bias}, use_residual ${useResidual}).${hint}`,
    )
  }
  const missing = Object.keys(expected).find((name) => !tensors.has(name))
  if (missing !== undefined) {
    throw new SerotineError(
      'MODEL_CORRUPT',
      `${tensors.name} lacks "${missing}", which ${path}/config.json asks for (bias ${bias}, use_residual ${useResidual}).`,
    )
  }
  for (const [name, shape] of Object.entries(expected)) checkShape(tensors, name, shape)
}

/** Each layer must take what the one before gives. @throws MODEL_CORRUPT */
export function checkChain(dense: readonly DenseConfig[], hiddenSize: number): void {
  let [width, from] = [hiddenSize, 'the encoder']
  for (const { path, inFeatures, outFeatures } of dense) {
    if (inFeatures !== width)
      throw new SerotineError('MODEL_CORRUPT', `${path} takes ${inFeatures} components, but ${from} gives ${width}.`)
    ;[width, from] = [outFeatures, path]
  }
}

/** The layers with the caller's `denseOverrides`. @throws INVALID_ARGUMENT when one names a layer that is not there */
export function overrideDense(
  dense: readonly DenseConfig[],
  overrides: NonNullable<ConfigOverrides['denseOverrides']>,
): DenseConfig[] {
  for (const [path, override] of Object.entries(overrides)) {
    checkOptions(`denseOverrides["${path}"]`, override, ['useResidual', 'activation'], { use_residual: 'useResidual' })
    if (dense.some((layer) => layer.path === path)) continue
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `denseOverrides names "${path}"; the Dense layers are ${dense.map((layer) => layer.path).join(', ') || 'none'}.`,
    )
  }
  return dense.map((layer) => {
    const { activation, useResidual = layer.useResidual } = overrides[layer.path] ?? {}
    return {
      ...layer,
      useResidual,
      activation:
        activation === undefined ? layer.activation : parseActivation(activation, `denseOverrides["${layer.path}"]`),
    }
  })
}

/**
 * mxbai-edge-colbert-v0 was released with `use_residual: false` for a layer trained with the residual; a square
 * residual has no weights, so nothing fails and PyLate computes another function. Recognised by shape, since names
 * change when models are copied and tuned: ModernBERT, three plain linear layers h → 2h → 2h → d, none with bias,
 * activation or residual. Without a residual that chain equals one matrix, so no one trains it on purpose.
 */
export function warnAboutResidual(
  encoder: EncoderConfig,
  dense: readonly DenseConfig[],
  overrides: NonNullable<ConfigOverrides['denseOverrides']>,
  onWarning: OnWarning | undefined,
): void {
  const [first, middle, last] = dense
  if (encoder.modelType !== 'modernbert' || dense.length !== 3 || !first || !middle || !last) return
  const plain = dense.every((layer) => !layer.bias && !layer.useResidual && layer.activation === 'identity')
  const widened =
    first.outFeatures === 2 * encoder.hiddenSize &&
    middle.inFeatures === middle.outFeatures &&
    last.outFeatures <= encoder.hiddenSize
  if (!plain || !widened || overrides[middle.path]?.useResidual !== undefined) return
  onWarning?.({
    code: 'WRONG_RESIDUAL',
    message:
      `${middle.path}/config.json says use_residual: false for a square layer, as the mxbai-edge-colbert-v0 release ` +
      `does, which was trained with the residual. Serotine obeys it, so that results equal PyLate's. For the function that was trained, pass ` +
      `denseOverrides: { '${middle.path}': { useResidual: true } }; to keep the file's setting and silence this warning, pass useResidual: false.`,
  })
}

function parseActivation(name: string, file: string): Activation {
  const known = Object.values(ACTIVATIONS).find((activation) => activation === name)
  const [, short] = /^(?:torch\.nn\.modules\.(?:activation|linear)\.|torch\.nn\.)?([A-Za-z0-9]+)$/.exec(name) ?? []
  const activation = known ?? (short === undefined ? undefined : ACTIVATIONS[short])
  if (activation) return activation
  throw new SerotineError(
    'MODEL_UNSUPPORTED',
    `${file}: activation function "${name}". Supported: ${Object.keys(ACTIVATIONS).join(', ')}.`,
  )
}
