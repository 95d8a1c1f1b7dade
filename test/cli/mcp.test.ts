// `serotine mcp` as an agent starts it: the SDK's own clients on standard input and output.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ERAS, overStdio } from '../server/mcp/clients.js'
import type { Era, McpClient } from '../server/mcp/clients.js'
import { serotine, workFolder } from './run-cli.js'

const CLI = fileURLToPath(new URL('../../packages/cli/dist/cli.js', import.meta.url))
const folder = workFolder('library')
beforeEach(async () => {
  await rm(join(folder.path, '.serotine'), { recursive: true, force: true })
})

const clients: McpClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
})

async function start(args: readonly string[] = [], era: Era = '2025', cwd = folder.path) {
  const started = await overStdio(era, [CLI, 'mcp', ...args], { cwd })
  clients.push(started.client)
  const { client } = started
  const call = async (name: string, given: Record<string, unknown> = {}) => {
    const { isError, content, structuredContent } = await client.callTool({ name, arguments: given })
    return { isError: isError === true, text: content[0]!.text, data: structuredContent }
  }
  return { ...started, call }
}

const index = async (...args: string[]) => {
  const { code, stderr } = await serotine(['index', ...args], { cwd: folder.path })
  if (code !== 0) throw new Error(stderr)
}

/** Whether a process is there. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const MIGRATES = { query: 'Which bird migrates every year?', limit: 1 }

describe.each(ERAS)('serotine mcp, to a client of %s', (era) => {
  it('searches the index that lies here, with citations as serotine search prints them', async () => {
    await index('library')
    const { client, call, stderr } = await start([], era)
    const { data, text } = await call('search', MIGRATES)
    const [hit] = data.hits
    expect(hit).toMatchObject({ citation: 'library/birds/tern.html:6', title: 'Arctic tern', is_excerpt: false })
    expect(text).toMatch(
      /^1\. library\/birds\/tern\.html:6 · Arctic tern · score 0\.\d+ · id library\/birds\/tern\.html#1\n/,
    )
    const { stdout } = await serotine(['search', MIGRATES.query, '-k', '1'], { cwd: folder.path })
    expect(stdout).toContain(hit.citation)
    const document = await call('get_document', { id: hit.id })
    expect(document.data).toMatchObject({ id: hit.id, metadata: { source: 'library/birds/tern.html' } })
    const [name] = (await call('list_indexes')).data.indexes.map((one: { name: string }) => one.name)
    const { contents } = await client.readResource({ uri: `serotine://${name}/${encodeURIComponent(hit.id)}` })
    expect(contents[0]!.text).toBe(document.data.text)
    expect((await client.listTools()).tools.map((tool) => tool.name)).not.toContain('index_folder')
    expect(stderr()).toMatch(/serving .* over MCP on standard input and output\n/)
    expect(stderr()).toMatch(/\nsearch \d+ ms\n/)
    expect(stderr()).not.toContain(MIGRATES.query)
  })

  it('ends when the client goes, and at SIGTERM', async () => {
    for (const end of ['close', 'SIGTERM'] as const) {
      const { client, pid, call } = await start([], era)
      await call('rerank', { query: 'birds', documents: ['A kiwi.'] })
      if (end === 'close') await client.close()
      else process.kill(pid, end)
      await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
    }
  })
})

describe('serotine mcp', () => {
  it('finds an index that is made later, what is added to it, and one that takes its place', async () => {
    const { call } = await start()
    const before = await call('search', MIGRATES)
    expect(before).toMatchObject({
      isError: true,
      text: expect.stringMatching(
        /INVALID_ARGUMENT: There is no index at \.serotine yet\. Make it with: serotine index/,
      ),
    })
    expect((await call('list_indexes')).data.indexes[0]).toMatchObject({
      documents: 0,
      problem: expect.stringMatching(/no index/),
    })
    // What ranks is there all the same.
    expect((await call('rerank', { query: 'birds', documents: ['A proxy.', 'A kiwi.'] })).data.results[0].index).toBe(1)
    await index('library/birds')
    expect((await call('search', MIGRATES)).data.hits[0].citation).toBe('library/birds/tern.html:6')
    await index('library')
    expect((await call('search', { query: 'proxy', limit: 1 })).data.hits[0].id).toBe('proxy')
    // As a rebuild does that needs another opening: vectors of another kind.
    await index('library/birds', '--rebuild', '--pool-factor', '2')
    const after = await call('search', { query: 'proxy' })
    expect(after.data.hits.map(({ id }: { id: string }) => id)).not.toContain('proxy')
    expect((await call('search', MIGRATES)).data.hits[0].citation).toBe('library/birds/tern.html:6')
  })

  it('serves several indexes by name, and cites what lies elsewhere by its whole path', async () => {
    await index('library/birds', '--out', 'birds')
    await index('library/facts.jsonl', '--out', 'other/.serotine')
    await mkdir(join(folder.path, 'inside'), { recursive: true })
    const { call } = await start(['../birds', 'facts=../other/.serotine'], '2025', join(folder.path, 'inside'))
    const { data } = await call('list_indexes')
    expect(data.indexes.map(({ name }: { name: string }) => name)).toEqual(['birds', 'facts'])
    expect((await call('search', MIGRATES)).data.hits[0].citation).toBe(join(folder.path, 'library/birds/tern.html:6'))
    expect((await call('search', { query: 'proxy', index: 'facts', limit: 1 })).data.hits[0].id).toBe('proxy')
    expect((await call('search', { query: 'proxy', index: 'fact' })).text).toMatch(/There are: birds, facts\./)
  })

  it.each([
    [['nowhere'], 1, /There is no index at nowhere/],
    [['a=library', 'a=library'], 1, /Two indexes are called "a": library and library\. Name them/],
    [['--allow-index', 'nowhere'], 1, /--allow-index nowhere: there is no such folder/],
    [['--allow-idnex', 'library'], 2, /--allow-index/],
  ])('%j is refused', async (args, code, message) => {
    const outcome = await serotine(['mcp', ...args], { cwd: folder.path })
    expect([outcome.code, outcome.stdout]).toEqual([code, ''])
    expect(outcome.stderr).toMatch(message)
  })
})

describe('index_folder', () => {
  it('indexes the folders that were named, and no others', async () => {
    const { client, call } = await start(['--allow-index', 'library/birds', '--allow-index', './library'])
    const tool = (await client.listTools()).tools.find(({ name }) => name === 'index_folder')
    expect(tool!.annotations).toMatchObject({ readOnlyHint: false, destructiveHint: true })
    for (const named of ['.', '/', '../..', 'library/..', 'library', 'library/birds/../..', '/etc', '', 7]) {
      const { isError, text } = await call('index_folder', { folder: named })
      expect([isError, text]).toEqual([
        true,
        expect.stringMatching(/folder: it must be one of "library\/birds", "\.\/library"\./),
      ])
    }
    expect(existsSync(join(folder.path, '.serotine'))).toBe(false)
    const birds = await call('index_folder', { folder: 'library/birds' })
    expect(birds.data).toMatchObject({ files: 2, added: 2, removed: 0, skipped: [] })
    expect((await call('search', MIGRATES)).data.hits[0].citation).toBe('library/birds/tern.html:6')
    // Indexed at once, the second one waits for its turn or says that it has to.
    const [first, second] = await Promise.all([1, 2].map(() => call('index_folder', { folder: './library' })))
    expect([first!.isError, second!.text]).toEqual([
      false,
      expect.stringMatching(/TOO_MANY_REQUESTS: A folder is being indexed already/),
    ])
    await writeFile(join(folder.path, 'library/dodo.txt'), 'The dodo of Mauritius died out.\n')
    expect((await call('index_folder', { folder: './library' })).data).toMatchObject({ added: 1 })
    expect((await call('search', { query: 'extinct bird of Mauritius', limit: 1 })).data.hits[0].citation).toBe(
      'library/dodo.txt:1',
    )
    await rm(join(folder.path, 'library/dodo.txt'))
    const { data, text } = await call('index_folder', { folder: './library' })
    expect([data.removed, text]).toEqual([1, expect.stringMatching(/1 removed\.$/m)])
  })

  it('says why it cannot, such as that another process writes', async () => {
    await index('library')
    await mkdir(join(folder.path, 'empty'), { recursive: true })
    const { call } = await start(['--allow-index', 'empty', '--allow-index', 'library'])
    expect((await call('index_folder', { folder: 'empty' })).text).toMatch(/INPUT_FORMAT: There are no texts in empty/)
    const server = spawn(process.execPath, [CLI, 'serve', '--writable', '--port', '0', '--workers', '0'], {
      cwd: folder.path,
    })
    await new Promise<void>((ready) =>
      server.stderr.on('data', (chunk: Buffer) => void (chunk.includes('http://') && ready())),
    )
    try {
      expect(await call('index_folder', { folder: 'library' })).toMatchObject({
        isError: true,
        text: expect.stringMatching(/^INDEX_LOCKED: /),
      })
      expect((await call('search', MIGRATES)).isError).toBe(false)
    } finally {
      server.kill('SIGKILL')
    }
  })
})

describe('standard input and output', () => {
  /** Writes to a server of its own, and gives what it printed when it had ended. */
  function talk(write: (say: (text: string | Buffer) => void, end: () => void) => void | Promise<void>) {
    const child = spawn(process.execPath, [CLI, 'mcp'], { cwd: folder.path })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.on('error', () => {})
    const closed = new Promise<{ code: number | null; stdout: string; stderr: string }>((done) =>
      child.on('close', (code) => done({ code, stdout, stderr })),
    )
    void write(
      (text) => child.stdin.write(text),
      () => child.stdin.end(),
    )
    return { closed, seen: () => stdout, child }
  }
  const line = (message: object) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } }
  const initialize = (version = params.protocolVersion) =>
    line({ id: 1, method: 'initialize', params: { ...params, protocolVersion: version } })

  it('hold nothing but the protocol, whatever comes in', async () => {
    const { closed, seen, child } = talk((say) => {
      say('this is not JSON\n{"jsonrpc":\n\n[]\nnull\n7\n')
      say(Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a]))
      say(`${'['.repeat(100_000)}\n`)
      say(initialize())
      say(line({ method: 'notifications/initialized' }))
      say('{"jsonrpc":"2.0","id":2,"method":\n')
      say(
        line({ id: 3, method: 'tools/call', params: { name: 'search', arguments: { query: 'a'.repeat(1_000_000) } } }),
      )
      say(
        line({ id: 4, method: 'tools/call', params: { name: 'rerank', arguments: { query: 'a', documents: ['b'] } } }),
      )
      say(line({ id: 5, method: 'no/such' }))
    })
    await expect.poll(() => seen().split('\n').length, { timeout: 20_000 }).toBeGreaterThan(4)
    child.stdin.end()
    const { code, stdout, stderr } = await closed
    expect(code).toBe(0)
    const messages = stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as { id: number; result?: { isError?: boolean }; error?: object })
    expect(messages.map(({ id }) => id).sort()).toEqual([1, 3, 4, 5])
    expect(messages.find(({ id }) => id === 3)!.result!.isError).toBe(true)
    expect(messages.find(({ id }) => id === 4)!.result!.isError).toBeUndefined()
    expect(messages.find(({ id }) => id === 5)!.error).toBeDefined()
    expect(stderr).toMatch(/warning /)
  })

  it('a protocol that is not spoken is answered by one that is', async () => {
    const { closed, seen, child } = talk((say) => say(initialize('1999-01-01')))
    await expect.poll(seen, { timeout: 20_000 }).toMatch(/"protocolVersion":"202\d-\d\d-\d\d"/)
    child.stdin.end()
    expect((await closed).code).toBe(0)
  })

  it('end the server when they end: before it was asked anything, and in the middle of an answer', async () => {
    const nothing = talk((_, end) => end())
    expect(await nothing.closed).toMatchObject({ code: 0, stdout: '' })
    const documents = Array.from({ length: 900 }, (_, i) => `A text about the bird ${i} and what it does all day.`)
    const busy = talk((say, end) => {
      say(initialize())
      say(line({ id: 2, method: 'tools/call', params: { name: 'rerank', arguments: { query: 'a', documents } } }))
      end()
    })
    expect((await busy.closed).code).toBe(0)
    // Nobody reads what it says.
    const deaf = talk((say) => {
      say(initialize())
      for (let id = 2; id < 50; id++) say(line({ id, method: 'tools/list' }))
    })
    deaf.child.stdout.destroy()
    expect((await deaf.closed).code).toBe(0)
  })

  it('a message without an end is given up before it fills the memory', async () => {
    const { closed } = talk(async (say) => {
      const chunk = 'a'.repeat(1_000_000)
      for (let i = 0; i < 40; i++) {
        say(chunk)
        await new Promise((next) => setTimeout(next, 10))
      }
    })
    const { stdout, stderr } = await closed
    expect(stdout).toBe('')
    expect(stderr).toMatch(/warning [\s\S]*maximum size/)
  })
})
