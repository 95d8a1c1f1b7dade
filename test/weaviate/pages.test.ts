// The programs of docs/weaviate.md, on a real server; test/docs compiles them.
import { afterAll, describe, expect, test } from 'vitest'
import { blocksOf } from '../docs/pages.js'
import { programsOf, runPrograms, Workshop } from '../docs/programs.js'
import { isBuilt, useServers } from './server.js'

describe.skipIf(!isBuilt)('the page about Weaviate', () => {
  const servers = useServers()
  const workshop = new Workshop()
  afterAll(() => workshop.remove())

  test('has programs that run and print what it says', { timeout: 120_000 }, async () => {
    const programs = programsOf(blocksOf('docs/weaviate.md'))
    const { url, grpc } = servers.current
    const outcomes = await runPrograms(workshop, programs, {}, { WEAVIATE_URL: url, WEAVIATE_GRPC: grpc })
    expect(outcomes).toHaveLength(2)
    for (const { program, output, error } of outcomes) {
      expect(error).toBeUndefined()
      if (program.prints !== undefined) expect(output).toBe(program.prints)
    }
  })
})
