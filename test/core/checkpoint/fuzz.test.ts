// Damaged files, bounded: a SerotineError or a result, never a crash of another kind and never a hang.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import * as fc from '../../support/fast-check.js'
import { expect, it } from 'vitest'
import { SerotineError } from '../../../packages/core/src/errors.js'
import { readSafetensors } from '../../../packages/core/src/checkpoint/safetensors.js'
import { createTokenizer } from '../../../packages/core/src/text/tokenizer.js'
import { copyOf, model, readJsonFile } from './folder.js'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const TEXT = 'The café 東京 ½ 😀👨‍👩‍👧 don’t\r\n[MASK]  stop! 123'
/** Longest that one damaged file may take, on a busy machine. */
const LIMIT = 5000

/** Every place of a value, vocabularies and merges only by their first entries. */
function placesOf(value: Json, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path]
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  return [
    path,
    ...keys.slice(0, 12).flatMap((key) => placesOf((value as Record<string | number, Json>)[key]!, [...path, key])),
  ]
}

function replaced(value: Json, [key, ...rest]: (string | number)[], by: Json | undefined): Json {
  if (key === undefined) return by ?? null
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, Json>
  if (rest.length > 0 || by !== undefined) copy[key] = replaced(copy[key]!, rest, by)
  else if (Array.isArray(copy)) copy.splice(key as number, 1)
  else delete copy[key]
  return copy as unknown as Json
}

const odd: fc.Arbitrary<Json | undefined> = fc.oneof(
  fc.constantFrom<Json | undefined>(
    undefined,
    null,
    true,
    false,
    0,
    -1,
    1e9,
    2 ** 53,
    0.5,
    '',
    'a',
    '[MASK]',
    [],
    {},
    [[]],
    [null],
  ),
  fc.constantFrom<Json>(
    'Sequence',
    'Precompiled',
    'Split',
    'BPE',
    'Unigram',
    'WordPiece',
    'ByteLevel',
    'RobertaProcessing',
    'NFKC',
  ),
  fc.constantFrom<Json>(
    { Regex: '(a+)+$' },
    { Regex: '(' },
    { String: '' },
    { type: 'Sequence' },
    { type: 'Metaspace' },
  ),
  fc.string({ maxLength: 8 }),
)

/** Runs `make`; anything but a SerotineError fails. */
function survives(make: () => unknown): void {
  const start = performance.now()
  try {
    make()
  } catch (error) {
    if (!SerotineError.isInstance(error)) throw error
  }
  expect(performance.now() - start).toBeLessThan(LIMIT)
}

const recorded = JSON.parse(
  gunzipSync(readFileSync(new URL('../text/oracle/recorded.json.gz', import.meta.url))).toString('utf8'),
) as { pipelines: { name: string; json: Json }[] }
const sources: { name: string; json: Json; config: Json }[] = [
  ...recorded.pipelines.map(({ name, json }) => ({
    name,
    json,
    config: { tokenizer_class: 'PreTrainedTokenizerFast', mask_token: '<mask>' },
  })),
  ...['bert-tiny', 'xlm-roberta-tiny', 'roberta-tiny', 'added-decoder'].map((name) => ({
    name,
    json: readJsonFile(model(name), 'tokenizer.json') as Json,
    config: readJsonFile(model(name), 'tokenizer_config.json') as Json,
  })),
]

it.each(sources)('tokenizer.json, damaged: $name', ({ json, config }) => {
  const places = placesOf(json)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...places), odd), { minLength: 1, maxLength: 2 }), (changes) => {
      // A place may be gone after the change before it.
      const damaged = changes.reduce((value, [path, by]) => {
        try {
          return replaced(value, path, by)
        } catch {
          return value
        }
      }, json)
      survives(() => createTokenizer(damaged, config).encode(TEXT))
    }),
    { numRuns: 60 },
  )
})

it('tokenizer_config.json, damaged', () => {
  const { json, config } = sources.find(({ name }) => name === 'added-decoder')!
  const places = placesOf(config)
  fc.assert(
    fc.property(
      fc.constantFrom(...places),
      odd,
      fc.constantFrom('bert', 'roberta', undefined),
      (path, by, modelType) => {
        survives(() => createTokenizer(json, replaced(config, path, by), { modelType }).encode(TEXT))
      },
    ),
    { numRuns: 200 },
  )
})

it('model.safetensors, damaged', () => {
  const folder = copyOf('bert-tiny')
  const whole = readFileSync(join(folder, 'model.safetensors'))
  const header = 8 + Number(whole.readBigUInt64LE())
  const file = join(folder, 'damaged.safetensors')
  const equal = readSafetensors(join(folder, 'model.safetensors'))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(header - 1), fc.nat(255)), { maxLength: 4 }),
      fc.option(fc.nat(whole.length), { freq: 4 }),
      (bytes, length) => {
        const damaged = Buffer.from(whole)
        for (const [at, value] of bytes) damaged[at] = value
        writeFileSync(file, length === null ? damaged : damaged.subarray(0, length))
        survives(() => {
          const tensors = readSafetensors(file)
          for (const name of tensors.names()) {
            const numbers = tensors.f32(name)
            // What is read under its own name has the size that the header gives it.
            if (equal.has(name) && tensors.info(name).dtype === 'F32')
              expect(numbers.length).toBe(tensors.info(name).shape.reduce((a, b) => a * b, 1))
          }
        })
      },
    ),
    { numRuns: 300 },
  )
})
