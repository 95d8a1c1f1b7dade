import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readSafetensors } from '../../../packages/core/src/checkpoint/safetensors.js'
import type { ConfigOverrides } from '../../../packages/core/src/checkpoint/types.js'
import type { ModelInput } from '../../../packages/core/src/text/template.js'

/** One recorded run of PyLate; see test/golden/pylate/README.md. */
export interface GoldenCase {
  readonly id: string
  readonly ctor: Record<string, unknown>
  readonly encode: {
    readonly is_query?: boolean
    readonly normalize_embeddings?: boolean
    readonly pool_factor?: number
  }
  readonly n_vectors: number[]
  readonly input_ids: number[][]
  readonly attention_mask: number[][]
  readonly kept_mask: number[][]
}

interface Golden {
  readonly ctor?: Record<string, unknown>
  readonly cases: GoldenCase[]
  readonly raw_batches?: { input_ids: number[][]; attention_mask: number[][]; masks: number[][] }[]
}

const ROOT = fileURLToPath(new URL('../../golden/pylate/', import.meta.url))

export function goldenFolder(name: string): string {
  return `${ROOT}${name}`
}

export function readGolden(name: string): Golden & { unpooled: GoldenCase[] } {
  const golden = JSON.parse(readFileSync(`${ROOT}${name}/golden.json`, 'utf8')) as Golden
  return { ...golden, unpooled: golden.cases.filter((record) => (record.encode.pool_factor ?? 1) === 1) }
}

/** The recorded vectors of a case. */
export function goldenVectors(name: string, tensor: string, file = 'golden'): Float32Array {
  return readSafetensors(`${ROOT}${name}/${file}.safetensors`).f32(tensor)
}

/** Exactly what PyLate fed its network, whatever our tokenizer says. */
export function goldenInputs({
  input_ids: ids,
  attention_mask: attention,
  kept_mask: kept,
}: Pick<GoldenCase, 'input_ids' | 'attention_mask' | 'kept_mask'>): ModelInput[] {
  return ids.map((row, i) => toInput(row, attention[i]!, kept[i]!))
}

export function toInput(ids: readonly number[], attention: readonly number[], kept: readonly number[]): ModelInput {
  return {
    ids: Int32Array.from(ids),
    attended: attention.reduce((sum, value) => sum + value, 0),
    kept: Int32Array.from(kept.flatMap((value, position) => (value ? [position] : []))),
    starts: new Int32Array(ids.length).fill(-1),
    ends: new Int32Array(ids.length).fill(-1),
    cut: 0,
  }
}

/** PyLate's constructor options → ours. */
export function toOverrides(ctor: Record<string, unknown>): ConfigOverrides {
  const camel = Object.entries(ctor)
    .filter(([key]) => key !== 'model_kwargs' && key !== 'embedding_size')
    .map(([key, value]) => [key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), value])
  return Object.fromEntries(camel) as ConfigOverrides
}

/** A document of `length` made-up tokens, all kept. */
export function syntheticInput(length: number, vocabSize: number, seed = 1): ModelInput {
  let state = seed
  const ids = Int32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % vocabSize
  })
  return {
    ids,
    attended: length,
    kept: ids.map((_, i) => i),
    starts: ids.map(() => -1),
    ends: ids.map(() => -1),
    cut: 0,
  }
}

export function maxDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
  return largest
}

export function concat(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
