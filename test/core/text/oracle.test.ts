// Ids and offsets of odd strings in many pipelines, recorded from Python `tokenizers` (oracle/record.py): exact.
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { createTokenizer } from '../../../packages/core/src/text/tokenizer.js'

// Another file, e.g. of 20,000 strings a pipeline, can be given for a one-off comparison.
const file = process.env.SEROTINE_TOKENIZER_ORACLE ?? new URL('oracle/recorded.json.gz', import.meta.url)
const recorded = JSON.parse(gunzipSync(readFileSync(file)).toString('utf8')) as {
  reference: string
  pipelines: { name: string; json: object; strings: [text: string, ids: number[], offsets: number[]][] }[]
}
// A class that transformers takes as it is.
const config = { tokenizer_class: 'PreTrainedTokenizerFast', mask_token: '<mask>' }

/** UTF-16 offset of every code point, and of the end. */
function unitOffsets(text: string): number[] {
  const offsets = [0]
  for (const ch of text) offsets.push(offsets.at(-1)! + ch.length)
  return offsets
}

it('has pipelines to compare', () => expect(recorded.pipelines.length).toBeGreaterThanOrEqual(20))

const results: { pipeline: string; strings: number; differences: number }[] = []

describe.each(recorded.pipelines)('$name', ({ name, json, strings }) => {
  it('gives the ids and spans of Python', () => {
    const tokenizer = createTokenizer(json, config)
    expect(strings.length).toBeGreaterThan(300)
    const different: object[] = []
    for (const [text, ids, offsets] of strings) {
      const units = unitOffsets(text)
      const encoding = tokenizer.encode(text)
      const spans = [...encoding.ids].flatMap((_, i) =>
        encoding.starts[i]! < 0 ? [0, 0] : [encoding.starts[i]!, encoding.ends[i]!],
      )
      const [ours, theirs] = [
        { text, ids: [...encoding.ids], spans },
        { text, ids, spans: offsets.map((n) => units[n]) },
      ]
      if (JSON.stringify(ours) !== JSON.stringify(theirs)) different.push({ ours, theirs })
    }
    results.push({ pipeline: name, strings: strings.length, differences: different.length })
    expect(different.slice(0, 3)).toEqual([])
  })
})

const small = JSON.parse(readFileSync(new URL('oracle/whitespace-punctuation.json', import.meta.url), 'utf8')) as {
  name: string
  json: object
  cases: [text: string, ids: number[]][]
}[]

it.each(small)('$name keeps words of letters beyond ASCII whole', ({ json, cases }) => {
  const tokenizer = createTokenizer(json, { ...config, mask_token: '[MASK]' })
  expect(cases.map(([text]) => [text, [...tokenizer.encode(text).ids]])).toEqual(cases)
})

afterAll(() => {
  // Written with a larger recording, for docs/parity.md.
  const out = process.env.SEROTINE_TOKENIZER_RESULTS
  if (out) writeFileSync(out, `${JSON.stringify({ reference: recorded.reference, results }, undefined, 1)}\n`)
})
