// Models for the comparison: multi-vector checkpoints as they are, and the token vectors of plain encoders.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ColBERT } from '@serotine/core'

/** Tokens of a document that are kept where the checkpoint does not say. */
const DOCUMENT_LENGTH = 220

/**
 * @param spec `embedded`, `label=folder` or, run in int8, `label=folder:int8`
 * @returns the label and a loaded model; `settings` says in words how it was loaded
 */
export async function loadModel(spec) {
  const [, label, folder, dtype = 'fp32'] = /^([\w-]+)(?:=(.+?))?(?::(int8|fp32))?$/.exec(spec) ?? []
  if (label === undefined || (folder === undefined && label !== 'embedded')) {
    throw new Error(`--model takes embedded or label=folder, either with :int8 behind it; got ${spec}.`)
  }
  const plain = folder === undefined ? undefined : await plainEncoder(folder)
  const model = await ColBERT.load(folder, { dtype, ...(plain && plainOptions(plain.hidden_size)) })
  const { documentLength } = model.config
  const kind = plain ? 'token vectors of a plain encoder, no marker, no expansion' : 'multi-vector checkpoint'
  return {
    label,
    model,
    settings: `${kind}, ${dtype}, ${model.dim} dimensions, documents cut at ${documentLength} tokens`,
  }
}

/** The configuration of an encoder without a projection to token vectors; undefined for a multi-vector checkpoint. */
async function plainEncoder(folder) {
  const modules = await readFile(join(folder, 'modules.json'), 'utf8').catch(() => '[]')
  if (modules.includes('Dense')) return undefined
  return JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))
}

function plainOptions(dim) {
  return {
    queryPrefix: '',
    documentPrefix: '',
    queryLength: 64,
    documentLength: DOCUMENT_LENGTH,
    doQueryExpansion: false,
    projection: {
      weight: Float32Array.from({ length: dim * dim }, (_, i) => (i % (dim + 1) === 0 ? 1 : 0)),
      outFeatures: dim,
    },
  }
}
