import type { BaseRetriever } from '@langchain/core/retrievers'
import { Document } from '@langchain/core/documents'
import type { DocumentInterface } from '@langchain/core/documents'
import { RunnableLambda } from '@langchain/core/runnables'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FLIGHTLESS } from './birds.js'

interface RetrieverUnderTest {
  /** A retriever over `BIRDS` that returns `k` documents, 4 by default. */
  create(options: { k?: number }): Promise<BaseRetriever>
  close?(): Promise<void>
  /** Whether `invoke(query, { k })` is understood. */
  kPerCall: boolean
}

/**
 * The cases of Python's `langchain_tests.integration_tests.retrievers` (1.1.9), by their names, and what LangChain expects
 * of every runnable.
 */
export function describeRetriever(name: string, subject: RetrieverUnderTest): void {
  describe(`${name} (LangChain retriever contract)`, () => {
    let retriever: BaseRetriever
    beforeAll(async () => {
      retriever = await subject.create({})
    })
    afterAll(() => subject.close?.())

    it('k_constructor_param', async () => {
      for (const k of [1, 3]) {
        const documents = await (await subject.create({ k })).invoke(FLIGHTLESS)
        expect(documents).toHaveLength(k)
      }
    })

    it.runIf(subject.kPerCall)('invoke_with_k_kwarg', async () => {
      const one = await retriever.invoke(FLIGHTLESS, { k: 1 } as object)
      const three = await retriever.invoke(FLIGHTLESS, { k: 3 } as object)
      expect([one.length, three.length]).toEqual([1, 3])
      expect(await retriever.invoke(FLIGHTLESS)).toHaveLength(4)
    })

    it('invoke_returns_documents', async () => {
      const documents = await retriever.invoke(FLIGHTLESS)
      expect(documents.length).toBeGreaterThan(0)
      for (const document of documents) {
        expect(document).toBeInstanceOf(Document)
        expect(document.pageContent).not.toBe('')
        expect(document.id).toBeTypeOf('string')
      }
      expect(
        documents
          .slice(0, 2)
          .map(({ id }) => id)
          .sort(),
      ).toEqual(['emu', 'kiwi'])
    })

    it('ainvoke_returns_documents (batch and stream)', async () => {
      const alone = await retriever.invoke('trains in Switzerland')
      const [first, second] = await retriever.batch([FLIGHTLESS, 'trains in Switzerland'])
      expect(first![0]!.id).not.toBe(second![0]!.id)
      expect(second).toEqual(alone)
      const chunks: DocumentInterface[][] = []
      for await (const chunk of await retriever.stream('trains in Switzerland')) chunks.push(chunk)
      expect(chunks).toEqual([alone])
    })

    it('is a runnable among others', async () => {
      const ids = RunnableLambda.from((documents: DocumentInterface[]) => documents.map(({ id }) => id))
      expect(await retriever.pipe(ids).invoke(FLIGHTLESS)).toContain('kiwi')
      expect(await retriever.withConfig({ runName: 'birds' }).invoke(FLIGHTLESS)).toHaveLength(4)
    })

    it('shows nothing but JSON to tracers', async () => {
      const documents = await retriever.invoke(FLIGHTLESS)
      const json = JSON.stringify({ retriever: retriever.toJSON(), documents })
      expect(json.length).toBeLessThan(20_000)
      expect(json).not.toMatch(/Float32Array|"encodeQueries"/)
    })

    it('does not start when aborted already', async () => {
      await expect(
        retriever.invoke(FLIGHTLESS, { signal: AbortSignal.abort(new Error('changed my mind')) }),
      ).rejects.toThrow('changed my mind')
    })
  })
}
