// Ids and offsets recorded from Python `tokenizers` (test/golden/tokenizers/record.py): exact.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createTokenizer } from '../../../packages/core/src/text/tokenizer.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
// Another folder of recordings, e.g. of 20,000 strings, can be given for a one-off comparison.
const folder = process.env.SEROTINE_TOKENIZER_GOLDENS ?? `${root}/test/golden/tokenizers`

interface Recorded {
  tokenizer: string
  changes: { normalizer?: { lowercase: boolean; strip_accents: boolean | null } }
  strings: { text: string; ids: number[]; offsets: number[] }[]
}

/** UTF-16 offset of every code point, and of the end. */
function unitOffsets(text: string): number[] {
  const offsets = [0]
  for (const ch of text) offsets.push(offsets.at(-1)! + ch.length)
  return offsets
}

describe.each(['bert', 'bert-cased', 'bert-keep-accents', 'bert-30k', 'modernbert'])('%s', (name) => {
  const recorded = JSON.parse(readFileSync(`${folder}/${name}.json`, 'utf8')) as Recorded
  const json = { ...JSON.parse(readFileSync(`${root}/${recorded.tokenizer}`, 'utf8')), ...recorded.changes }
  // A class that transformers takes as it is, so that the recorded normaliser counts.
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', mask_token: '[MASK]' }

  it('gives the ids and spans of Python', async () => {
    const tokenizer = createTokenizer(json, config)
    expect(recorded.strings.length).toBeGreaterThan(400)
    for (const { text, ids, offsets } of recorded.strings) {
      const units = unitOffsets(text)
      const encoding = tokenizer.encode(text)
      const spans = [...encoding.ids].flatMap((_, i) =>
        encoding.starts[i]! < 0 ? [0, 0] : [encoding.starts[i]!, encoding.ends[i]!],
      )
      expect({ text, ids: [...encoding.ids], spans }).toEqual({ text, ids, spans: offsets.map((n) => units[n]) })
    }
  })
})
