// The built package in apps with the oldest and the newest supported @langchain/core, as ESM and as CommonJS.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsumerApp } from '../contract/consumer-app.js'

const VERSIONS = { oldest: 'langchain-core-oldest', newest: '@langchain/core' }
const require = createRequire(import.meta.url)
const sources = fileURLToPath(new URL('../../packages/langchain/src/', import.meta.url))
const manifest = JSON.parse(readFileSync(new URL('../../packages/langchain/package.json', import.meta.url), 'utf8'))

/** The same app, whichever way it loads modules. */
const scriptOf = (load: (names: string, specifier: string) => string) => `
${load('ColBERTRetriever, ColBERTReranker, RerankingRetriever, ColBERTVectorStore, MuveraEmbeddings, createSourcesTool', '@serotine/langchain')}
${load('ColBERT, SerotineError', '@serotine/core')}
${load('BaseRetriever', '@langchain/core/retrievers')}
${load('BaseDocumentCompressor', '@langchain/core/retrievers/document_compressors')}
${load('VectorStore', '@langchain/core/vectorstores')}
${load('Document', '@langchain/core/documents')}
${load('StructuredTool', '@langchain/core/tools')}
async function main() {
  const model = await ColBERT.load()
  const texts = ['Sourdough bread rises slowly.', 'The kiwi is a bird that cannot fly.', 'Set HTTP_PROXY to use a proxy.']
  const retriever = await ColBERTRetriever.fromTexts(texts, texts.map((_, n) => ({ n })), { model, k: 2 })
  const found = await retriever.invoke('flightless birds')
  const reranking = new RerankingRetriever({ baseRetriever: retriever, reranker: new ColBERTReranker({ model, topN: 1 }) })
  const [reranked] = await reranking.invoke('flightless birds')
  const store = await ColBERTVectorStore.fromTexts(texts, {}, new MuveraEmbeddings({ model }), { ids: ['a', 'b', 'c'] })
  await store.delete({ ids: ['a'] })
  const kept = await store.similaritySearch('proxy', 5)
  const tool = createSourcesTool(retriever, { description: 'Searches.' })
  const message = await tool.invoke({ type: 'tool_call', id: '1', name: 'search', args: { query: 'flightless birds' } })
  const aborted = await reranking.invoke('x', { signal: AbortSignal.abort() }).catch((error) => error.name)
  const refused = await retriever.invoke('').catch((error) => SerotineError.isInstance(error) && error.code)
  const mapped = await retriever.pipe((documents) => documents.length).invoke('flightless birds')
  await Promise.all([retriever.index.close(), store.index.close()])
  await model.close()
  console.log(JSON.stringify({
    found: found.map(({ metadata }) => metadata.n), rank: found[0].metadata.rank, reranked: reranked.metadata.n,
    kept: kept.map(({ id }) => id), artifact: message.artifact.length, content: message.content.slice(0, 12), aborted, refused, mapped,
    instances: [
      retriever instanceof BaseRetriever, reranking instanceof BaseRetriever, reranking.reranker instanceof BaseDocumentCompressor,
      store instanceof VectorStore, found[0] instanceof Document, tool instanceof StructuredTool,
    ],
  }))
}
main()`
const esm = scriptOf((names, specifier) => `import { ${names} } from '${specifier}'`)
const cjs = scriptOf((names, specifier) => `const { ${names} } = require('${specifier}')`)
const EXPECTED = {
  rank: 1,
  reranked: 1,
  kept: ['c', 'b'],
  artifact: 2,
  content: '[1] The kiwi',
  aborted: 'AbortError',
  refused: 'INVALID_ARGUMENT',
  mapped: 2,
  instances: [true, true, true, true, true, true],
}

describe.each(Object.entries(VERSIONS))('@langchain/core, %s', (label, installed) => {
  let app: ConsumerApp
  beforeAll(() => {
    app = new ConsumerApp({ packages: ['langchain'], frameworks: { '@langchain/core': installed } })
  })
  afterAll(() => app?.remove())

  it('is the version the package says it supports', () => {
    const { version } = require(`${installed}/package.json`) as { version: string }
    const supported = {
      oldest: manifest.peerDependencies['@langchain/core'],
      newest: `^${manifest.devDependencies['@langchain/core']}`,
    }
    expect(supported[label as keyof typeof VERSIONS]).toBe(`^${version}`)
  })
  it('works as ESM', () => {
    expect(JSON.parse(app.run('app.mjs', esm))).toMatchObject({ ...EXPECTED, found: [1, expect.any(Number)] })
  })
  it('works as CommonJS', () => {
    expect(JSON.parse(app.run('app.cjs', cjs))).toMatchObject({ ...EXPECTED, found: [1, expect.any(Number)] })
  })
  it('compiles in an app, with wrong uses refused, and from source', () => {
    // Memory is an entry of its own, for apps that have LangGraph.
    const names = readdirSync(sources).filter((name) => !name.startsWith('memory'))
    const files = names.map((name) => [`src/${name}`, readFileSync(sources + name, 'utf8')])
    const usage = readFileSync(new URL('./usage.ts', import.meta.url), 'utf8').replaceAll(
      '../../packages/langchain/src/index.js',
      '@serotine/langchain',
    )
    expect(app.check({ ...Object.fromEntries(files), 'usage.ts': usage })).toEqual([])
  })
})

describe('two copies in one app', () => {
  it('of @langchain/core: searching, reranking and tools still work', () => {
    const app = new ConsumerApp({
      packages: ['langchain'],
      frameworks: { '@langchain/core': '@langchain/core' },
      nested: { langchain: { '@langchain/core': 'langchain-core-oldest' } },
    })
    const { instances, ...results } = JSON.parse(app.run('app.mjs', esm)) as typeof EXPECTED
    const { instances: _, ...expected } = EXPECTED
    expect(results).toMatchObject(expected)
    // Classes of two copies are two classes; hence the peer dependency.
    expect(instances).toEqual([false, false, false, false, false, false])
    app.remove()
  })

  it('of this package, ESM beside CommonJS', () => {
    const app = new ConsumerApp({ packages: ['langchain'], frameworks: { '@langchain/core': '@langchain/core' } })
    const output = app.run(
      'both.mjs',
      `
      import { createRequire } from 'node:module'
      import { ColBERTReranker } from '@serotine/langchain'
      import { SerotineError } from '@serotine/core'
      const other = createRequire(import.meta.url)('@serotine/langchain')
      const texts = ['Bread rises.', 'Kiwis cannot fly.']
      const [[a], [b]] = await Promise.all([ColBERTReranker, other.ColBERTReranker].map((Reranker) => new Reranker().rerank(texts, 'birds')))
      const error = await new other.ColBERTReranker().rerank(texts, '').catch((reason) => reason)
      console.log(JSON.stringify([a.index, b.index, a.relevanceScore === b.relevanceScore, SerotineError.isInstance(error)]))
      process.exit()`,
    )
    expect(JSON.parse(output)).toEqual([1, 1, true, true])
    app.remove()
  })

  it('cannot come from us: @langchain/core is a peer', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['@serotine/core'])
    expect(manifest.peerDependencies).toHaveProperty('@langchain/core')
  })
})
