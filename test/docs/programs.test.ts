// The programs of the pages: all type-checked as strictly as our own code, all run, their output compared.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHub } from '../support/hub-server.js'
import type { HubServer } from '../support/hub-server.js'
import { startChroma, startQdrant } from '../support/vector-servers.js'
import type { VectorServer } from '../support/vector-servers.js'
import { FILES } from './files.js'
import { blocksOf, pages, ROOT } from './pages.js'
import { programsOf, runPrograms, typeErrors, Workshop } from './programs.js'
import type { Outcome } from './programs.js'

/** Pages whose programs download: the model a local Hub serves them. */
const HUBS: Readonly<Record<string, { readonly id: string; readonly folder: string }>> = {
  'docs/models.md': {
    id: 'mixedbread-ai/mxbai-edge-colbert-v0-17m',
    folder: 'test/golden/pylate/modernbert-tiny-wrong-residual/model',
  },
  'docs/offline.md': { id: 'org/name', folder: 'test/golden/pylate/bert-tiny/model' },
}

/** Pages whose programs ask a vector database: stand-ins, which the pages call so. */
const DATABASES: Readonly<Record<string, () => Promise<VectorServer>>> = {
  'docs/recipes/qdrant.md': startQdrant,
  'docs/recipes/chroma.md': startChroma,
}

/** Programs that another test runs, since they need what this one has not: `page` → a string in it, and where. */
const RUN_ELSEWHERE: Readonly<Record<string, readonly [mark: string, where: string]>> = {
  'docs/evaluation.md': ["'feature-extraction'", 'test/bench/feature-extraction.test.ts, which makes a model for it'],
  'docs/weaviate.md': ['WeaviateStore', 'test/weaviate/pages.test.ts, which starts a server'],
  'docs/bundlers.md': [
    'export default',
    'test/install/bundlers.test.ts, which compares them with what the matrix runs',
  ],
}
const runElsewhere = (page: string, code: string) => code.includes(RUN_ELSEWHERE[page]?.[0] ?? '\0')

/** Blocks in a language no test runs, `page:language`, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'docs/deployment.md:dockerfile': 'Containers are not built where the tests run.',
  'packages/model-micro/README.md:python': 'Python with safetensors and PyTorch is not part of the test environment.',
  'packages/model-small/README.md:python': 'Python with safetensors and PyTorch is not part of the test environment.',
}

const blocks = new Map(pages().map((page) => [page, blocksOf(page)]))
const programs = new Map([...blocks].map(([page, blocks]) => [page, programsOf(blocks)] as const))
const withPrograms = [...programs].filter(([, programs]) => programs.length > 0).map(([page]) => page)

let workshop: Workshop
beforeAll(() => {
  workshop = new Workshop()
})
afterAll(() => workshop.remove())

describe('programs in the documentation', () => {
  it('are found', () => {
    expect(withPrograms).toEqual(expect.arrayContaining(['README.md', 'docs/indexes.md', 'packages/core/README.md']))
    expect([...programs.values()].flat().length).toBeGreaterThan(25)
  })

  it('compile with the strict options of the repository', () => {
    // The configuration of other people's tools is JavaScript of theirs.
    const ours = [...programs].filter(([page]) => page !== 'docs/bundlers.md').flatMap(([, programs]) => programs)
    expect(typeErrors(workshop, ours)).toEqual([])
  }, 240_000)

  it.each(withPrograms)(
    'of %s run and print what the page says',
    async (page) => {
      const ours = programs.get(page)!.filter(({ code }) => !runElsewhere(page, code))
      const served = HUBS[page]
      const database = await DATABASES[page]?.()
      let hub: HubServer | undefined
      let outcomes: Outcome[]
      try {
        if (served) hub = await startHub(served.id, join(ROOT, served.folder))
        const env = { ...(hub && { HF_ENDPOINT: hub.endpoint }), ...database?.env }
        outcomes = await runPrograms(workshop, ours, FILES[page], env)
      } finally {
        await hub?.close()
        await database?.close()
      }
      for (const { program, output, error } of outcomes) {
        const place = `${page}:${program.line}`
        expect(error, place).toBeUndefined()
        if (program.prints !== undefined) expect(output, place).toBe(program.prints)
        const lines = output.split('\n')
        expect(program.remarks, place).toEqual(program.remarks.map((remark, i) => lines[i]!.slice(0, remark.length)))
      }
      // A page that no longer downloads does not need its Hub.
      if (hub) expect(hub.requests.length).toBeGreaterThan(0)
      if (database) expect(database.requests).toHaveLength(3)
    },
    120_000,
  )

  it('are run by the tests that are listed for them', () => {
    for (const [page, [, where]] of Object.entries(RUN_ELSEWHERE)) {
      expect(programs.get(page)!.filter(({ code }) => runElsewhere(page, code))).not.toEqual([])
      expect(readFileSync(join(ROOT, where.split(',')[0]!), 'utf8')).toContain(page)
    }
  })

  it('need the files and Hubs that are listed, for pages that exist', () => {
    expect(Object.keys(HUBS).filter((page) => !withPrograms.includes(page))).toEqual([])
    for (const [page, files] of Object.entries(FILES)) {
      const text = readFileSync(join(ROOT, page), 'utf8')
      expect(Object.keys(files).filter((name) => !text.includes(name))).toEqual([])
    }
  })
})

describe('other blocks', () => {
  it('are of languages that are tested, but for the ones listed with a reason', () => {
    const tested = ['', 'ts', 'js', 'sh', 'json', 'text']
    const others = [...blocks.values()].flat().filter(({ language }) => !tested.includes(language))
    expect(others.map(({ page, language }) => `${page}:${language}`)).toEqual(Object.keys(NOT_RUN))
  })

  it('in no language are drawings and listings, never programs', () => {
    const plain = [...blocks.values()].flat().filter(({ language }) => language === '')
    expect(
      plain
        .filter(({ code }) => /^(import|const|await|npm|npx) /m.test(code))
        .map(({ page, line }) => `${page}:${line}`),
    ).toEqual([])
  })

  it('of JSON parse', () => {
    for (const { page, line, language, code } of [...blocks.values()].flat()) {
      if (language === 'json') expect(() => JSON.parse(code), `${page}:${line}`).not.toThrow()
    }
  })

  it('of text follow what prints them', () => {
    const lonely = [...blocks.values()].flat().filter(({ language }) => language === 'text')
    expect(lonely.map(({ page, line }) => `${page}:${line}`)).toEqual([])
  })
})
