// The built package in apps with the oldest and the newest supported LlamaIndex.TS, as ESM and as CommonJS.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsumerApp } from '../contract/consumer-app.js'

const VERSIONS = { oldest: 'llamaindex-oldest', newest: 'llamaindex' }
const sources = fileURLToPath(new URL('../../packages/llamaindex/src/', import.meta.url))
const manifest = JSON.parse(readFileSync(new URL('../../packages/llamaindex/package.json', import.meta.url), 'utf8'))

const usage = `
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { ColBERTPostprocessor } from '@serotine/llamaindex'
import { ColBERTRetriever } from '@serotine/llamaindex/retriever'
import { BaseRetriever, RetrieverQueryEngine, TextNode, VectorStoreIndex } from 'llamaindex'
import type { BaseNodePostprocessor, NodeWithScore } from 'llamaindex'
export async function usage(index: VectorStoreIndex): Promise<void> {
  const model = await ColBERT.load()
  const postprocessor: BaseNodePostprocessor = new ColBERTPostprocessor({ model, topN: null, metadataMode: 'NONE' })
  index.asQueryEngine({ nodePostprocessors: [postprocessor] })
  const built: ColBERTRetriever<MultiVectorIndex> = await ColBERTRetriever.fromNodes([new TextNode({ text: 'a' })], { where: { lang: 'en' } })
  const retriever: BaseRetriever = built
  const nodes: NodeWithScore[] = await retriever.retrieve('query')
  new RetrieverQueryEngine(retriever, undefined, [postprocessor])
  // @ts-expect-error it is topN
  new ColBERTPostprocessor({ topK: 3 })
  // @ts-expect-error no such mode
  new ColBERTPostprocessor({ metadataMode: 'embed' })
  void nodes
}`

const scriptOf = (load: (names: string, specifier: string) => string) => `
${load('ColBERTPostprocessor', '@serotine/llamaindex')}
${load('ColBERTRetriever', '@serotine/llamaindex/retriever')}
${load('BaseRetriever, TextNode', 'llamaindex')}
${load('ColBERT', '@serotine/core')}
async function main() {
  const model = await ColBERT.load()
  const texts = ['Sourdough bread rises slowly.', 'The kiwi is a bird that cannot fly.', 'Set HTTP_PROXY to use a proxy.']
  const nodes = texts.map((text, n) => new TextNode({ text, metadata: { n } }))
  const retriever = await ColBERTRetriever.fromNodes(nodes, { model, similarityTopK: 3 })
  const found = await retriever.retrieve('flightless birds')
  const kept = await new ColBERTPostprocessor({ model, topN: 1 }).postprocessNodes(found, 'flightless birds')
  await retriever.index.close()
  await model.close()
  console.log(JSON.stringify([found.length, kept.map(({ node }) => node.metadata.n), retriever instanceof BaseRetriever, kept[0].node instanceof TextNode]))
  process.exit()
}
main()`

describe.each(Object.entries(VERSIONS))('llamaindex, %s', (label, installed) => {
  let app: ConsumerApp
  beforeAll(() => {
    app = new ConsumerApp({ packages: ['llamaindex'], frameworks: { llamaindex: installed } })
  })
  afterAll(() => app?.remove())

  it('is the version the package says it supports', () => {
    const { version } = JSON.parse(
      readFileSync(new URL(`../../node_modules/${installed}/package.json`, import.meta.url), 'utf8'),
    ) as { version: string }
    const supported = {
      oldest: manifest.peerDependencies['llamaindex'],
      newest: `^${manifest.devDependencies['llamaindex']}`,
    }
    expect(supported[label as keyof typeof VERSIONS]).toBe(`^${version}`)
  })
  it('works as ESM', () => {
    expect(
      JSON.parse(
        app.run(
          'app.mjs',
          scriptOf((names, specifier) => `import { ${names} } from '${specifier}'`),
        ),
      ),
    ).toEqual([3, [1], true, true])
  })
  it('works as CommonJS', () => {
    expect(
      JSON.parse(
        app.run(
          'app.cjs',
          scriptOf((names, specifier) => `const { ${names} } = require('${specifier}')`),
        ),
      ),
    ).toEqual([3, [1], true, true])
  })
  it('compiles in an app, with wrong uses refused, and from source', () => {
    const files = readdirSync(sources).map((name) => [`src/${name}`, readFileSync(sources + name, 'utf8')])
    expect(app.check({ ...Object.fromEntries(files), 'usage.ts': usage })).toEqual([])
  })
})

describe('the postprocessor', () => {
  it('imports nothing of LlamaIndex', () => {
    for (const name of ['index.js', 'index.cjs']) {
      const files = [name, ...chunksOf(name)]
      for (const file of files) {
        expect(readFileSync(new URL(`../../packages/llamaindex/dist/${file}`, import.meta.url), 'utf8')).not.toMatch(
          /(?:from\s*|require\()["'](?:llamaindex|@llamaindex)/,
        )
      }
    }
  })

  it('works, and type-checks, with another copy of @llamaindex/core than llamaindex has', () => {
    const frameworks = { llamaindex: 'llamaindex', '@llamaindex/core': 'llamaindex-core-newest' }
    const app = new ConsumerApp({ packages: ['llamaindex'], frameworks })
    const check = `
      import { ColBERTPostprocessor } from '@serotine/llamaindex'
      import type { BaseNodePostprocessor } from '@llamaindex/core/postprocessor'
      import type { BaseNodePostprocessor as Other } from 'llamaindex'
      export const both: [BaseNodePostprocessor, Other] = [new ColBERTPostprocessor(), new ColBERTPostprocessor()]`
    expect(app.check({ 'both.ts': check })).toEqual([])
    const output = app.run(
      'both.mjs',
      `
      import { TextNode } from '@llamaindex/core/schema'
      import { ColBERTPostprocessor } from '@serotine/llamaindex'
      const nodes = ['Bread rises.', 'Kiwis cannot fly.'].map((text) => ({ node: new TextNode({ text }) }))
      const [best] = await new ColBERTPostprocessor({ topN: 1, keepRetrievalScore: true }).postprocessNodes(nodes, 'birds')
      console.log(best.node.text, best.node instanceof TextNode)
      process.exit()`,
    )
    expect(output.trim()).toBe('Kiwis cannot fly. true')
    app.remove()
  })
})

/** The files a built entry loads. */
function chunksOf(entry: string): string[] {
  const source = readFileSync(new URL(`../../packages/llamaindex/dist/${entry}`, import.meta.url), 'utf8')
  return [...source.matchAll(/(?:from\s*|require\()["']\.\/([^"']+)["']/g)].map((match) => match[1]!)
}
