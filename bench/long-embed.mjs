// How far into a long document a model sees: LongEmbed's synthetic tasks, generated.
//
//   node bench/long-embed.mjs                                   the embedded model, all lengths
//   node bench/long-embed.mjs --model <folder or Hub id> --document-length 8192 --lengths 4096,8192 --haystack essays.txt
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRetrieval, indexMethod, readCollection } from '@serotine/core/evaluation'
import { environment, saveResult } from './environment.mjs'
import { LONG_EMBED_LENGTHS, generateNeedles, generatePasskeys } from './long-embed/tasks.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    'document-length': { type: 'string' },
    lengths: { type: 'string', default: LONG_EMBED_LENGTHS.join(',') },
    haystack: { type: 'string' },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
    name: { type: 'string', default: 'long-embed' },
  },
})
const lengths = options.lengths.split(',').map(Number)
const documentLength = options['document-length'] && { documentLength: Number(options['document-length']) }
const model = await ColBERT.load(options.model, { workers: Number(options.workers), ...documentLength })

/** Without a file: the paragraphs of XQuAD, from Wikipedia. */
async function haystack() {
  if (options.haystack) return readFile(options.haystack, 'utf8')
  const { documents } = await readCollection('bench/data/xquad-en')
  return documents.map(({ metadata, text }) => text.slice(metadata.title ? metadata.title.length + 1 : 0)).join(' ')
}

async function accuracy(collection) {
  const index = await MultiVectorIndex.open(undefined, { model, firstStage: 'exact' })
  await index.upsert(collection.documents)
  const methods = [indexMethod('exact MaxSim', index, { firstStage: 'exact' })]
  const result = await evaluateRetrieval({ collection, model, methods, metrics: ['accuracy@1'] })
  await index.close()
  return Number(result.methods[0].metrics['accuracy@1'].toFixed(4))
}

const prose = await haystack()
const tasks = {
  passkey: (length) => generatePasskeys({ length }),
  needle: (length) => generateNeedles({ length, haystack: prose }),
}
const rows = []
for (const [task, generate] of Object.entries(tasks)) {
  const values = {}
  for (const length of lengths) {
    values[length] = await accuracy(generate(length))
    console.log(`${task}, ${length}: ${values[length]}`)
  }
  rows.push({ task, 'accuracy@1': values })
}
const file = await saveResult(options.name, {
  kind: 'long-embed',
  ...(await environment()),
  model: { name: model.name, documentLength: model.config.documentLength },
  queries: 50,
  documents: 100,
  haystack: options.haystack ? 'own' : 'xquad-en',
  rows,
})
console.log(`written to ${file}`)
await model.close()
