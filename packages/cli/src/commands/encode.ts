import { open, writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { SerotineError } from '@serotine/core'
import { encodeSafetensors } from '@serotine/core/checkpoint'
import type { ColBERT, EncodeOptions, TokenEmbeddings } from '@serotine/core'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { readInput } from '../input/standard-input.js'
import { readRecords } from '../input/jsonl.js'
import type { TextRecord } from '../input/jsonl.js'
import { encodeOptions, loadModel } from '../model.js'
import { ENCODING_OPTIONS, MODEL_OPTIONS, OVERRIDE_OPTIONS, addOptions } from '../options.js'
import { matrixRows } from '../output/json.js'
import { count, counted, duration } from '../output/numbers.js'
import { startProgress } from '../output/progress.js'

/** Texts encoded between two writes: enough for full batches, few enough to hold. */
const CHUNK = 256

interface Values extends CommonValues {
  model?: string
  query?: boolean
  document?: boolean
  format?: string
  out?: string
  skipBadLines?: boolean
}

interface Encoded {
  readonly id: string | number | bigint
  readonly inputIds: Int32Array
  readonly attentionMask: Int32Array
  readonly keptMask: Int32Array
  readonly embeddings: TokenEmbeddings
}

export function encodeCommand(): Command {
  const command = createCommand('encode', {
    summary: 'turn texts into token embeddings',
    description:
      'Turns texts into token embeddings, one vector per token. Reads JSONL, one {"id", "text"} per line, and writes JSONL in the same order: ' +
      '{"id", "inputIds", "attentionMask", "keptMask", "embeddings"}. Or writes a safetensors file, for each id: "<id>" [tokens × dim] in F32, ' +
      '"<id>.inputIds", "<id>.attentionMask" and "<id>.keptMask" in I32.',
    examples: [
      ['echo \'{"id":1,"text":"late interaction"}\' | serotine encode --query', ''],
      ['serotine encode texts.jsonl --document -m ./my-colbert > vectors.jsonl', ''],
      ['serotine encode texts.jsonl --document --format safetensors --out vectors.safetensors', ''],
    ],
  })
    .argument('[file]', 'JSONL or .gz of it; - or nothing: standard input')
    .option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: micro)')
    .option('--query', 'encode as queries')
    .option('--document', 'encode as documents')
    .option('--format <format>', 'jsonl or safetensors (default: jsonl)')
    .option('-o, --out <file>', 'write there instead of standard output')
    .option('--skip-bad-lines', 'skip lines that are not {"id", "text"}')
  addOptions(command, ENCODING_OPTIONS, GROUPS.encoding)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((file: string | undefined, values: Values) => {
    if (!values.query === !values.document)
      command.error('error: say which kind of text it is, --query or --document.', { exitCode: 2 })
    const format = values.format ?? (values.out?.endsWith('.safetensors') ? 'safetensors' : 'jsonl')
    if (format !== 'jsonl' && format !== 'safetensors') {
      command.error(`error: --format is jsonl or safetensors, not ${JSON.stringify(format)}.`, { exitCode: 2 })
    }
    if (format === 'safetensors' && !values.out)
      command.error('error: safetensors needs a file to write to: --out vectors.safetensors.', { exitCode: 2 })
    return runWith(values, (context) => encode(context, file, values, format))
  })
}

async function encode(context: Context, file: string | undefined, values: Values, format: string): Promise<void> {
  const { terminal } = context
  const input = await readInput(file, context)
  const model = await loadModel(context, values.model, values as Record<string, unknown>)
  const bar = startProgress(terminal, 'Encoding')
  const started = performance.now()
  let skipped = 0
  let texts = 0
  let tokens = 0
  const sink = format === 'jsonl' ? await jsonlSink(context, values.out) : safetensorsSink(values, model)
  try {
    const records = readRecords(input.lines, input.name, {
      ...(values.skipBadLines && {
        onBadLine: (error: SerotineError) => {
          skipped++
          terminal.warn(error.message)
        },
      }),
    })
    for await (const chunk of chunks(records, CHUNK)) {
      const encoded = await encodeChunk(model, chunk, values, context)
      texts += chunk.length
      for (const item of encoded) tokens += item.inputIds.length
      await sink.write(encoded)
      const seconds = (performance.now() - started) / 1000
      bar.update(input.share(chunk.at(-1)!.bytes), `${counted(texts, 'text')} · ${count(tokens / seconds)} tokens/s`)
    }
    await sink.end()
  } finally {
    bar.stop()
    await sink.close()
    await model.close()
  }
  const result = `Encoded ${counted(texts, 'text')} in ${duration(performance.now() - started)}`
  terminal.aside(
    `${result}${values.out ? ` → ${values.out}` : ''}${skipped ? `, ${counted(skipped, 'bad line')} skipped` : ''}`,
  )
}

async function encodeChunk(
  model: ColBERT,
  chunk: readonly TextRecord[],
  values: Values,
  context: Context,
): Promise<Encoded[]> {
  const options: EncodeOptions = { ...encodeOptions(values as Record<string, unknown>), signal: context.signal }
  const { prompt, promptName } = options
  const named = { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
  const texts = chunk.map((record) => record.text)
  const inputs = texts.map((text) => (values.query ? model.queryInput(text, named) : model.documentInput(text, named)))
  const matrices = await (values.query ? model.encodeQueries(texts, options) : model.encodeDocuments(texts, options))
  return chunk.map((record, i) => {
    const { ids, attended, kept } = inputs[i]!
    const keptMask = new Int32Array(ids.length)
    for (const position of kept) keptMask[position] = 1
    return {
      id: record.id ?? record.line,
      inputIds: ids,
      attentionMask: new Int32Array(ids.length).fill(1, 0, attended),
      keptMask,
      embeddings: matrices[i]!,
    }
  })
}

interface Sink {
  write(encoded: readonly Encoded[]): Promise<void>
  /** All texts were written. */
  end(): Promise<void>
  /** Also after an error. */
  close(): Promise<void>
}

async function jsonlSink({ terminal }: Context, out: string | undefined): Promise<Sink> {
  const file = out === undefined ? undefined : await open(out, 'w')
  return {
    write: async (encoded) => {
      for (const { id, inputIds, attentionMask, keptMask, embeddings } of encoded) {
        const fields = JSON.stringify({
          inputIds: [...inputIds],
          attentionMask: [...attentionMask],
          keptMask: [...keptMask],
          embeddings: matrixRows(embeddings.data, embeddings.dim),
        })
        // JSON.stringify refuses an id that no number of JavaScript can hold.
        const line = `{"id":${typeof id === 'bigint' ? id : JSON.stringify(id)},${fields.slice(1)}`
        if (file) await file.write(`${line}\n`)
        else await terminal.out(`${line}\n`)
      }
    },
    end: async () => {},
    close: async () => file?.close(),
  }
}

function safetensorsSink(values: Values, model: ColBERT): Sink {
  const tensors: Record<string, { dtype: string; shape: readonly number[]; data: ArrayBufferView }> = {}
  const add = (name: string, data: Float32Array | Int32Array, shape: readonly number[]): void => {
    if (Object.hasOwn(tensors, name) || name.startsWith('__')) {
      throw new SerotineError(
        'DUPLICATE_ID',
        `A safetensors file cannot hold two tensors named ${JSON.stringify(name)}. Give every text its own id, or write JSONL.`,
      )
    }
    tensors[name] = { dtype: data instanceof Float32Array ? 'F32' : 'I32', shape, data }
  }
  return {
    write: async (encoded) => {
      for (const { id, inputIds, attentionMask, keptMask, embeddings } of encoded) {
        add(`${id}`, embeddings.data, [embeddings.length, embeddings.dim])
        add(`${id}.inputIds`, inputIds, [inputIds.length])
        add(`${id}.attentionMask`, attentionMask, [inputIds.length])
        add(`${id}.keptMask`, keptMask, [inputIds.length])
      }
    },
    end: () =>
      writeFile(
        values.out!,
        encodeSafetensors(tensors, {
          format: 'pt',
          model: model.name,
          fingerprint: model.fingerprint,
          kind: values.query ? 'query' : 'document',
        }),
      ),
    close: async () => {},
  }
}

async function* chunks<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = []
  for await (const item of items) {
    chunk.push(item)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
