// The search tool and the model of the template for Mastra, with as little of Mastra as they touch: its 190 packages are not installed
// here. What stands in for it does what its documentation says. `npm run test:templates` runs the template with Mastra itself.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { copyExample, root } from './copy.js'

const STAND_INS = {
  '@mastra/libsql': `
    export class LibSQLVector {
      rows = []
      async createIndex({ dimension }) { this.dimension = dimension }
      async upsert({ ids, vectors, metadata }) {
        if (vectors.some((vector) => vector.length !== this.dimension)) throw new Error('dimension')
        this.rows = ids.map((id, i) => ({ id, vector: vectors[i], metadata: metadata[i] }))
      }
      async query({ queryVector, topK }) {
        const score = (vector) => vector.reduce((sum, value, i) => sum + value * queryVector[i], 0)
        return this.rows.map(({ id, vector, metadata }) => ({ id, metadata, score: score(vector) }))
          .sort((a, b) => b.score - a.score).slice(0, topK)
      }
    }`,
  '@mastra/rag': `
    export const createVectorQueryTool = ({ vectorStore, indexName, model, reranker }) => ({
      async execute({ queryText, topK }) {
        const { embeddings: [queryVector] } = await model.doEmbed({ values: [queryText] })
        const results = await vectorStore.query({ indexName, queryVector, topK })
        const scored = await Promise.all(results.map(async (result) => ({
          ...result, score: await reranker.model.getRelevanceScore(queryText, result.metadata.text),
        })))
        const sources = scored.sort((a, b) => b.score - a.score).slice(0, reranker.options.topK)
        return { relevantContext: sources.map(({ metadata }) => metadata), sources }
      },
    })`,
}

let folder
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-mastra-'))
  copyExample('mastra-rag', folder)
  const installed = join(root, 'examples/mastra-rag/node_modules')
  const names = readdirSync(installed).flatMap((name) =>
    name.startsWith('@')
      ? readdirSync(join(installed, name)).map((below) => `${name}/${below}`)
      : name.startsWith('.')
        ? []
        : name,
  )
  for (const name of names) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true })
    symlinkSync(realpathSync(join(installed, name)), join(folder, 'node_modules', name), 'junction')
  }
  for (const [name, source] of Object.entries(STAND_INS)) {
    mkdirSync(join(folder, 'node_modules', name), { recursive: true })
    writeFileSync(
      join(folder, 'node_modules', name, 'package.json'),
      JSON.stringify({ name, type: 'module', exports: './index.js' }),
    )
    writeFileSync(join(folder, 'node_modules', name, 'index.js'), source)
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('finds by vectors, reranks by words, and the model without a key quotes what was found', () => {
  writeFileSync(
    join(folder, 'ask.ts'),
    `import { extractiveModel } from './src/mastra/extractive-model.ts'
     import { fillLibrary } from './src/mastra/rag/library.ts'
     import { searchTool } from './src/mastra/tools/search.ts'
     await fillLibrary('documents')
     const model = extractiveModel()
     const answers = []
     for (const text of ['How many days of holiday do I have?', 'How do I bake bread?']) {
       const prompt = [{ role: 'user', content: [{ type: 'text', text }] }]
       const { content: [call] } = await model.doGenerate({ prompt })
       const value = await searchTool.execute(JSON.parse(call.input))
       const output = { type: 'json', value }
       prompt.push({ role: 'tool', content: [{ type: 'tool-result', toolCallId: call.toolCallId, toolName: call.toolName, output }] })
       const { content: [said] } = await model.doGenerate({ prompt })
       answers.push({ tool: call.toolName, sources: value.sources, text: said.text })
     }
     console.log(JSON.stringify(answers))`,
  )
  const [holiday, bread] = JSON.parse(
    execFileSync(process.execPath, ['--import', 'tsx', 'ask.ts'], { cwd: folder, encoding: 'utf8' }),
  )
  expect(holiday).toMatchObject({
    tool: 'search_documents',
    text: expect.stringMatching(/^Everybody has 28 days .* \[1\]/),
  })
  expect(holiday.sources).toHaveLength(4)
  expect(holiday.sources[0]).toMatchObject({ id: 'leave.md#1', metadata: { source: 'leave.md', line: 1 } })
  expect(holiday.sources[0].score).toBeGreaterThan(0.9)
  expect(bread.text).toBe('The documents say nothing about that.')
})
