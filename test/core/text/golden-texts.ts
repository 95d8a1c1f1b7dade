// What PyLate recorded about texts: settings, ids and masks of every golden.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TextConfig } from '../../../packages/core/src/text/template.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
export const goldens = join(root, 'test/golden/pylate')
const microModel = join(root, 'packages/model-micro/model')
export const NAMES = [
  'bert-tiny',
  'bert-st-modules',
  'stanford-tiny',
  'plain-tiny',
  'minilm',
  'modernbert-tiny',
  'modernbert-tiny-wrong-residual',
  'modernbert-tiny-bf16',
  'modernbert-residual-linear',
]

export interface Golden {
  texts: string[]
  load: Record<string, unknown> & {
    skiplist_ids: number[]
    query_prefix_id: number | null
    document_prefix_id: number | null
    pad_token_id: number
  }
  cases: {
    id: string
    ctor: Record<string, unknown>
    encode: { is_query: boolean; prompt?: string; prompt_name?: string }
    text_indices: number[]
    n_vectors: number[]
    input_ids?: number[][]
    attention_mask?: number[][]
    kept_mask?: number[][]
  }[]
  tokens: { strings: { text: string; query_ids: number[]; document_ids: number[] }[] }
}

export const readJson = (path: string) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined)

export const readGoldenTexts = (name: string) => readJson(join(goldens, name, 'golden.json')) as Golden

/** The minilm golden has no folder; its tokenizer is BERT's uncased one, as the embedded model's. */
export const tokenizerFolder = (name: string) => (name === 'minilm' ? microModel : join(goldens, name, 'model'))

/** The golden's resolved settings, with the case's overrides, as our configuration. */
export function textConfig(
  load: Golden['load'],
  ctor: Record<string, unknown> = {},
  stored: Record<string, unknown> = {},
): TextConfig {
  const value = (key: string) => (ctor[key] ?? load[key]) as never
  return {
    queryPrefix: value('query_prefix'),
    documentPrefix: value('document_prefix'),
    queryLength: value('query_length'),
    documentLength: value('document_length'),
    doQueryExpansion: value('do_query_expansion'),
    // What was resolved is false without expansion; a case may switch expansion on, and then the stored flag counts.
    attendToExpansionTokens: (ctor.attend_to_expansion_tokens ??
      stored.attend_to_expansion_tokens ??
      load.attend_to_expansion_tokens) as boolean,
    skiplistWords: value('skiplist_words'),
    doLowerCase: load.do_lower_case as boolean,
    prompts: value('prompts'),
    defaultPromptName: load.default_prompt_name as string | null,
  }
}

/** Ones at the positions given, as PyLate writes masks. */
export function mask(length: number, positions: Iterable<number>): number[] {
  const bits = Array.from({ length }, () => 0)
  for (const i of positions) bits[i] = 1
  return bits
}
