// The built package with AI SDK 6 and 7, as ESM and as CommonJS.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsumerApp } from '../contract/consumer-app.js'

const manifest = JSON.parse(readFileSync(new URL('../../packages/ai-sdk/package.json', import.meta.url), 'utf8'))
const versionOf = (installed: string): string =>
  JSON.parse(readFileSync(new URL(`../../node_modules/${installed}/package.json`, import.meta.url), 'utf8')).version
const VERSIONS = [
  { label: 'AI SDK 6, oldest provider', ai: undefined, provider: 'ai-sdk-provider-oldest', specification: '3.0.0' },
  { label: 'AI SDK 6', ai: 'ai', provider: '@ai-sdk/provider', specification: '3.0.19' },
  { label: 'AI SDK 7', ai: 'ai-newest', provider: 'ai-sdk-provider-newest', specification: '4.0.38' },
]

const script = (load: (names: string, specifier: string) => string) => `
${load('rerank', 'ai')}
${load('colbertReranker', '@serotine/ai-sdk')}
${load('ColBERT', '@serotine/core')}
async function main() {
  const model = await ColBERT.load()
  const documents = ['Sourdough bread rises slowly.', 'The kiwi is a bird that cannot fly.', 'Set HTTP_PROXY to use a proxy.']
  const { ranking, rerankedDocuments } = await rerank({ model: colbertReranker({ model }), query: 'flightless birds', documents, topN: 2 })
  const aborted = await rerank({ model: colbertReranker({ model }), query: 'x', documents, abortSignal: AbortSignal.abort() }).catch(({ name }) => name)
  await model.close()
  console.log(JSON.stringify([ranking[0].originalIndex, rerankedDocuments.length, aborted]))
}
main()`

describe.each(VERSIONS)('$label', ({ ai, provider, specification }) => {
  let app: ConsumerApp
  beforeAll(() => {
    app = new ConsumerApp({ packages: ['ai-sdk'], frameworks: { '@ai-sdk/provider': provider, ...(ai && { ai }) } })
  })
  afterAll(() => app?.remove())

  it('is within the peer range', () => {
    expect(versionOf(provider)).toBe(specification)
    expect(manifest.peerDependencies['@ai-sdk/provider']).toBe('^3.0.0 || ^4.0.0')
  })

  it('compiles in an app, with wrong uses refused', () => {
    const usage = `
      import type { RerankingModelV3 } from '@ai-sdk/provider'
      import { colbertReranker } from '@serotine/ai-sdk'
      import { ColBERT } from '@serotine/core'
      export const model: RerankingModelV3 = colbertReranker({ model: await ColBERT.load(), toText: ({ title }) => String(title) })
      // @ts-expect-error a name is not a model
      colbertReranker({ model: 'colbert' })
      // @ts-expect-error no such option
      colbertReranker({ topN: 3 })`
    const withAi = `
      import { colbertReranker } from '@serotine/ai-sdk'
      import { rerank } from 'ai'
      export const { ranking } = await rerank({ model: colbertReranker(), query: 'a', documents: ['b'] })
      export const index: number = ranking[0]!.originalIndex`
    expect(app.check({ 'usage.ts': usage, ...(ai && { 'with-ai.ts': withAi }) })).toEqual([])
  })

  it.runIf(ai)('works as ESM', () => {
    expect(
      JSON.parse(
        app.run(
          'app.mjs',
          script((names, specifier) => `import { ${names} } from '${specifier}'`),
        ),
      ),
    ).toEqual([1, 2, 'AbortError'])
  })

  // AI SDK 7 is ESM only; Node 20.19 and later can require it all the same.
  it.runIf(ai)('works as CommonJS', () => {
    expect(
      JSON.parse(
        app.run(
          'app.cjs',
          script((names, specifier) => `const { ${names} } = require('${specifier}')`),
        ),
      ),
    ).toEqual([1, 2, 'AbortError'])
  })
})
