import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../packages/core/src/entries/checkpoint.js'
import { GOLDENS, serotine, workFolder } from './run-cli.js'

/** PyLate's own vectors differ by up to 1.5e-5 from float64; the smallest porting mistake measured moves 1.4e-4. */
const TOLERANCE = 5e-5

interface GoldenCase {
  readonly id: string
  readonly ctor: Record<string, unknown>
  readonly encode: Record<string, unknown> & { is_query: boolean }
  readonly text_indices: readonly number[]
  readonly n_vectors: readonly number[]
  /** Of a pooled case: the same without pooling, which has ids and masks. */
  readonly base_case?: string
  readonly input_ids?: readonly (readonly number[])[]
  readonly attention_mask?: readonly (readonly number[])[]
  readonly kept_mask?: readonly (readonly (number | boolean)[])[]
}

const golden = (name: string): { ctor: Record<string, unknown>; texts: string[]; cases: GoldenCase[] } =>
  JSON.parse(readFileSync(join(GOLDENS, name, 'golden.json'), 'utf8')) as never

/** Ids and masks of a case's texts, as `encode` prints them. */
function inputsOf({ cases }: { cases: readonly GoldenCase[] }, { base_case, ...own }: GoldenCase): object[] {
  const base = cases.find(({ id }) => id === base_case) ?? own
  return own.text_indices.map((text) => {
    const i = base.text_indices.indexOf(text)
    return {
      inputIds: base.input_ids![i],
      attentionMask: base.attention_mask![i],
      keptMask: base.kept_mask![i]!.map(Number),
    }
  })
}

/** PyLate's options as flags: snake case becomes kebab case, nothing else. */
function flags(options: Record<string, unknown>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (['is_query', 'embedding_size', 'model_kwargs'].includes(name)) return []
    const flag = name.replaceAll('_', '-').replace('normalize-embeddings', 'normalize')
    if (typeof value === 'boolean') return [`--${value ? '' : 'no-'}${flag}`]
    return [`--${flag}`, typeof value === 'string' ? value : JSON.stringify(value)]
  })
}

function command(
  name: string,
  golden: { ctor: Record<string, unknown>; texts: string[] },
  { ctor, encode, text_indices }: GoldenCase,
) {
  const projection = join(GOLDENS, name, 'projection.safetensors')
  return {
    args: [
      'encode',
      encode.is_query ? '--query' : '--document',
      '--model',
      join(GOLDENS, name, 'model'),
      ...flags({ ...golden.ctor, ...ctor }),
      ...flags(encode),
      ...(existsSync(projection) ? ['--projection', projection] : []),
    ],
    input: text_indices.map((text) => JSON.stringify({ id: `t${text}`, text: golden.texts[text] })).join('\n'),
  }
}

function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length)
  let largest = 0
  for (let i = 0; i < actual.length; i++) largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!))
  return largest
}

const CASES: Record<string, readonly string[]> = {
  'bert-tiny': [
    'q_default',
    'd_default',
    'q_no_prefix',
    'd_no_skiplist',
    'd_pool2_protect0',
    'q_prompt',
    'd_raw_norm',
    'q_short',
  ],
  'modernbert-tiny': ['q_default', 'd_default'],
  'bert-st-modules': ['d_prompt_name_query', 'q_prompt_empty', 'q_expansion_on'],
  'plain-tiny': ['q_attend', 'd_default'],
}

describe('serotine encode gives PyLate’s ids, masks and vectors', () => {
  const work = workFolder()

  for (const [name, ids] of Object.entries(CASES)) {
    it(`${name}: ${ids.join(', ')}`, async () => {
      const recorded = golden(name)
      const vectors = readSafetensors(join(GOLDENS, name, 'golden.safetensors'))
      for (const id of ids) {
        const expected = recorded.cases.find((candidate) => candidate.id === id)!
        const { args, input } = command(name, recorded, expected)
        const { code, stdout, stderr } = await serotine([...args, '--quiet'], { input })
        expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) })
        const lines = stdout
          .trimEnd()
          .split('\n')
          .map(
            (line) =>
              JSON.parse(line) as Record<'inputIds' | 'attentionMask' | 'keptMask', number[]> & {
                id: string
                embeddings: number[][]
              },
          )
        expect(lines.map((line) => line.id)).toEqual(expected.text_indices.map((text) => `t${text}`))
        expect(lines.map(({ inputIds, attentionMask, keptMask }) => ({ inputIds, attentionMask, keptMask }))).toEqual(
          inputsOf(recorded, expected),
        )
        expect(lines.map((line) => line.embeddings.length)).toEqual(expected.n_vectors)
        expect(
          largestDifference(
            lines.flatMap((line) => line.embeddings.flat()),
            vectors.f32(id),
          ),
        ).toBeLessThanOrEqual(TOLERANCE)
      }
    })
  }

  it('writes the same numbers as safetensors', async () => {
    const recorded = golden('bert-tiny')
    const expected = recorded.cases.find(({ id }) => id === 'd_default')!
    const { args, input } = command('bert-tiny', recorded, expected)
    const out = join(work.path, 'vectors.safetensors')
    const written = await serotine([...args, '--format', 'safetensors', '--out', out], { input })
    expect(written).toEqual({ code: 0, stdout: '', stderr: expect.any(String) })
    const jsonl = (await serotine(args, { input })).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; inputIds: number[]; embeddings: number[][] })
    const tensors = readSafetensors(out)
    const header = await readFile(out)
    for (const { id, inputIds, embeddings } of jsonl) {
      // The decimals of JSONL name exactly these 32-bit floats.
      expect(Array.from(tensors.f32(id))).toEqual(embeddings.flat().map(Math.fround))
      expect(tensors.info(id).shape).toEqual([embeddings.length, 16])
      const { dtype, begin, end } = tensors.info(`${id}.inputIds`)
      expect(dtype).toBe('I32')
      expect(
        Array.from(new Int32Array(header.buffer.slice(header.byteOffset + begin, header.byteOffset + end))),
      ).toEqual(inputIds)
    }
  })
})

describe('serotine encode reads and writes', () => {
  const work = workFolder()
  const encode = (input: string, ...args: string[]) =>
    serotine(['encode', '--query', ...args], { cwd: work.path, input })

  it('any number of texts, ids as they were given, lines numbered where there is none', async () => {
    const { stdout, code } = await encode('{"id": 7, "text": "a"}\n\n{"_id": "x", "text": ""}\r\n{"text": "\\ud83d"}')
    expect(code).toBe(0)
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: unknown }).id),
    ).toEqual([7, 'x', 4])
    expect(await encode('')).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('to a file, and names what is wrong', async () => {
    expect(await encode('{"id": 1, "text": "a"}', '--out', 'one.jsonl')).toMatchObject({ code: 0, stdout: '' })
    expect(JSON.parse(await readFile(join(work.path, 'one.jsonl'), 'utf8'))).toMatchObject({
      id: 1,
      inputIds: expect.any(Array),
    })
    expect(await encode('{"id": 1, "text": "a"}\nnonsense')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('standard input:2 is not JSON'),
    })
    expect(await encode('nonsense\n{"id": 1, "text": "a"}', '--skip-bad-lines')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('standard input:1'),
    })
    expect(
      await encode(
        '{"id": 1, "text": "a"}\n{"id": "1", "text": "b"}',
        '--format',
        'safetensors',
        '--out',
        'two.safetensors',
      ),
    ).toMatchObject({ code: 1, stderr: expect.stringContaining('"1"') })
    expect(existsSync(join(work.path, 'two.safetensors'))).toBe(false)
  })

  it('the spellings of the library and of Python', async () => {
    const ids = async (...args: string[]): Promise<number> =>
      (
        JSON.parse((await encode('{"id": 1, "text": "a long enough query for these lengths"}', ...args)).stdout) as {
          inputIds: number[]
        }
      ).inputIds.length
    expect(await ids('--query-length', '6')).toBe(6)
    expect(await ids('--queryLength=7', '--do_query_expansion=true')).toBe(7)
  })
})
