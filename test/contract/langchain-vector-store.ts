import { Document } from '@langchain/core/documents'
import type { DocumentInterface } from '@langchain/core/documents'
import type { VectorStore } from '@langchain/core/vectorstores'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

interface VectorStoreUnderTest {
  /** An empty store. */
  create(): Promise<VectorStore & { getByIds(ids: string[]): Promise<DocumentInterface[]> }>
  close(): Promise<void>
}

/**
 * The cases of Python's `langchain_tests.integration_tests.vectorstores` (1.1.9), by their names. Documents come back equal
 * to those given: text, metadata, id.
 */
export function describeVectorStore(name: string, subject: VectorStoreUnderTest): void {
  describe(`${name} (LangChain vector store contract)`, () => {
    let store: Awaited<ReturnType<VectorStoreUnderTest['create']>>
    const foo = () => new Document({ pageContent: 'foo', metadata: { id: 1 } })
    const bar = () => new Document({ pageContent: 'bar', metadata: { id: 2 } })
    const add = (documents: DocumentInterface[], ids?: string[]) =>
      store.addDocuments(documents, ids && { ids }) as Promise<string[]>
    const content = (documents: DocumentInterface[]) =>
      documents.map(({ pageContent, metadata }) => ({ pageContent, metadata }))

    beforeEach(async () => {
      store = await subject.create()
    })
    afterEach(() => subject.close())

    it('vectorstore_is_empty', async () => {
      expect(await store.similaritySearch('foo', 1)).toEqual([])
    })

    it('add_documents', async () => {
      const originals = [foo(), bar()]
      const ids = await add(originals)
      const documents = await store.similaritySearch('bar', 2)
      expect(documents).toEqual([
        new Document({ pageContent: 'bar', metadata: { id: 2 }, id: ids[1]! }),
        new Document({ pageContent: 'foo', metadata: { id: 1 }, id: ids[0]! }),
      ])
      // The documents given are as they were.
      expect(originals).toEqual([foo(), bar()])
    })

    it('vectorstore_still_empty', async () => {
      expect(await store.similaritySearch('foo', 1)).toEqual([])
    })

    it('deleting_documents', async () => {
      expect(await add([foo(), bar()], ['1', '2'])).toEqual(['1', '2'])
      await store.delete({ ids: ['1'] })
      expect(content(await store.similaritySearch('foo', 1))).toEqual([{ pageContent: 'bar', metadata: { id: 2 } }])
    })

    it('deleting_bulk_documents', async () => {
      await add([foo(), bar(), new Document({ pageContent: 'baz', metadata: { id: 3 } })], ['1', '2', '3'])
      await store.delete({ ids: ['1', '2'] })
      expect(content(await store.similaritySearch('foo', 1))).toEqual([{ pageContent: 'baz', metadata: { id: 3 } }])
    })

    it('delete_missing_content', async () => {
      await expect(store.delete({ ids: ['1'] })).resolves.toBeUndefined()
      await expect(store.delete({ ids: ['1', '2', '3'] })).resolves.toBeUndefined()
    })

    it('add_documents_with_ids_is_idempotent', async () => {
      await add([foo(), bar()], ['1', '2'])
      await add([foo(), bar()], ['1', '2'])
      const documents = await store.similaritySearch('bar', 2)
      expect(content(documents)).toEqual([
        { pageContent: 'bar', metadata: { id: 2 } },
        { pageContent: 'foo', metadata: { id: 1 } },
      ])
      expect(await store.similaritySearch('bar', 10)).toHaveLength(2)
    })

    it('add_documents_by_id_with_mutation', async () => {
      await add([foo(), bar()], ['1', '2'])
      const changed = new Document({ pageContent: 'new foo', metadata: { id: 1, some_other_field: 'foo' } })
      await add([changed], ['1'])
      const documents = await store.similaritySearch('new foo', 2)
      expect(documents[0]).toEqual(
        new Document({ pageContent: 'new foo', metadata: { id: 1, some_other_field: 'foo' }, id: '1' }),
      )
      expect(content(documents.slice(1))).toEqual([{ pageContent: 'bar', metadata: { id: 2 } }])
    })

    it('get_by_ids', async () => {
      const ids = await add([foo(), bar()], ['1', '2'])
      expect(await store.getByIds(ids)).toEqual([
        new Document({ pageContent: 'foo', metadata: { id: 1 }, id: '1' }),
        new Document({ pageContent: 'bar', metadata: { id: 2 }, id: '2' }),
      ])
    })

    it('get_by_ids_missing', async () => {
      expect(await store.getByIds(['1', '2', '3'])).toEqual([])
    })

    it('add_documents_documents', async () => {
      const ids = await add([foo(), bar()])
      expect(new Set(ids).size).toBe(2)
      expect(content(await store.getByIds(ids))).toEqual(content([foo(), bar()]))
    })

    it('add_documents_with_existing_ids', async () => {
      const withId = new Document({ pageContent: 'foo', metadata: { id: 1 }, id: 'foo' })
      const ids = await add([withId, bar()])
      expect(ids[0]).toBe('foo')
      expect(ids[1]).not.toBe('')
      expect(content(await store.getByIds(ids))).toEqual(content([foo(), bar()]))
    })
  })
}
