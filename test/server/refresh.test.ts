// An index that somebody else writes to while it is served.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MultiVectorIndex } from '@serotine/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createServer } from '../../packages/server/src/index.js'
import type { LogEntry, SerotineServer, ServedIndex } from '../../packages/server/src/index.js'
import { FakeEncoder } from '../support/fake-encoder.js'
import { read } from './serve.js'

const model = new FakeEncoder()
let folder: string
let writer: MultiVectorIndex
let reader: MultiVectorIndex
let log: LogEntry[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-server-refresh-'))
  writer = await MultiVectorIndex.open(folder, { model })
  await writer.upsert([{ id: 'kiwi', text: 'A kiwi cannot fly.' }])
  reader = await MultiVectorIndex.open(folder, { model, readonly: true })
  log = []
})
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all([reader.close(), writer.close()])
  rmSync(folder, { recursive: true, force: true })
})

const serve = (index: ServedIndex, refreshMs?: number) =>
  createServer({ model, index, onLog: (entry) => log.push(entry), ...(refreshMs !== undefined && { refreshMs }) })
const search = async (server: SerotineServer, query: string): Promise<string[]> => {
  const answer = await server.fetch(
    new Request('http://localhost/v1/search', {
      method: 'POST',
      body: JSON.stringify({ query }),
      headers: { 'Content-Type': 'application/json' },
    }),
  )
  return (await read(answer)).body.hits.map(({ id }: { id: string }) => id)
}
const get = async (server: SerotineServer, path: string) =>
  read(await server.fetch(new Request(`http://localhost${path}`)))
const events = () => log.map(({ event }) => event).filter((event) => event !== 'request')

describe('an index that is open for reading', () => {
  it('is searched as it was committed last', async () => {
    const server = serve(reader, 0)
    expect(await search(server, 'emu')).toEqual(['kiwi'])
    await writer.upsert([{ id: 'emu', text: 'The emu runs.' }])
    expect((await search(server, 'emu runs'))[0]).toBe('emu')
    await writer.delete('kiwi')
    expect((await get(server, '/v1/documents/kiwi')).status).toBe(404)
    await writer.upsert([{ id: 'owl', text: 'An owl hunts.' }])
    expect((await get(server, '/v1/indexes')).body.indexes[0].documents).toBe(2)
    expect(events()).toEqual(['refreshed', 'refreshed', 'refreshed'])
    expect(log.find(({ event }) => event === 'refreshed')).toMatchObject({ level: 'info', index: 'default' })
  })

  it('is looked at once a second, also by many at once', async () => {
    const refresh = vi.spyOn(reader, 'refresh')
    const server = serve(reader)
    await Promise.all(Array.from({ length: 20 }, () => search(server, 'kiwi')))
    expect(refresh).toHaveBeenCalledTimes(1)
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 2_000)
    await search(server, 'kiwi')
    clock.mockRestore()
    expect(refresh).toHaveBeenCalledTimes(2)
  })

  it('answers by what it had when opening what is new takes long, and is new for those who come later', async () => {
    const refresh = reader.refresh.bind(reader)
    let go = (): void => {}
    const held = new Promise<void>((done) => (go = done))
    vi.spyOn(reader, 'refresh').mockImplementation(async () => (await held, refresh()))
    const server = serve(reader, 0)
    await writer.upsert([{ id: 'emu', text: 'The emu runs.' }])
    expect(await search(server, 'emu')).toEqual(['kiwi'])
    go()
    await vi.waitFor(() => expect(events()).toEqual(['refreshed']))
    vi.restoreAllMocks()
    expect(await search(server, 'emu')).toHaveLength(2)
  })

  it('is served on when what is there now cannot be opened, and the log says why, once', async () => {
    const server = serve(reader, 0)
    writeFileSync(join(folder, 'manifest.json'), '{}')
    for (let i = 0; i < 3; i++) expect(await search(server, 'kiwi')).toEqual(['kiwi'])
    expect(events()).toEqual(['refresh-failed'])
    expect(log.find(({ event }) => event === 'refresh-failed')).toMatchObject({
      level: 'error',
      error: expect.objectContaining({ code: 'INDEX_FORMAT' }),
    })
  })
})

it('indexes that are written to here, in memory, or of another kind are left alone', async () => {
  const memory = await MultiVectorIndex.open(undefined, { model })
  for (const index of [writer, memory]) {
    const refresh = vi.spyOn(index, 'refresh')
    await search(serve(index, 0), 'kiwi')
    expect(refresh).not.toHaveBeenCalled()
  }
  await memory.close()
  for (const wrong of [-1, 1.5, Number.NaN]) expect(() => serve(reader, wrong)).toThrow(/refreshMs/)
})
