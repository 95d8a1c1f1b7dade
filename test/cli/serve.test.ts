// `serotine serve` as a user's shell runs it.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { overHttp } from '../server/mcp/clients.js'
import { serotine, workFolder } from './run-cli.js'

const CLI = fileURLToPath(new URL('../../packages/cli/dist/cli.js', import.meta.url))
const folder = workFolder('library')
beforeAll(async () => {
  const { code, stderr } = await serotine(['index', 'library'], { cwd: folder.path })
  if (code !== 0) throw new Error(stderr)
}, 120_000)

let running: ChildProcess | undefined
afterEach(() => {
  running?.kill('SIGKILL')
})

interface Running {
  readonly url: string
  stdout(): string
  stderr(): string
  /** Ends it with a signal, and gives its exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts a server at a free port and waits until it says where it is. */
async function start(args: readonly string[], env: Record<string, string> = {}): Promise<Running> {
  const { SEROTINE_TOKEN: _, FORCE_COLOR: _force, ...inherited } = process.env
  const child = spawn(process.execPath, [CLI, 'serve', '--port', '0', '--workers', '0', ...args], {
    cwd: folder.path,
    env: { ...inherited, ...env },
  })
  running = child
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  const closed = new Promise<number | null>((done) => child.on('close', done))
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      const [found] = /http:\/\/\S+/.exec(stderr) ?? []
      if (found) resolve(found)
    })
    void closed.then((code) => reject(new Error(`It ended with ${code}: ${stderr}`)))
  })
  return {
    url,
    stdout: () => stdout,
    stderr: () => stderr,
    end: (signal = 'SIGTERM') => {
      child.kill(signal)
      return closed
    },
  }
}

const post = async (url: string, body: object, headers: Record<string, string> = {}) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  // oxlint-disable-next-line typescript/no-explicit-any
  return { status: response.status, body: (await response.json()) as any }
}

describe('serotine serve', () => {
  it('searches the index that lies here, reranks, logs a line for each request, and ends at Ctrl-C', async () => {
    const server = await start([])
    expect(server.stderr()).toMatch(
      /✓ serving \.serotine, \d+ passages, and reranking by @serotine\/model-micro at http:\/\/127\.0\.0\.1:\d+\n/,
    )
    const { body } = await post(`${server.url}/v1/search`, { query: 'Which bird migrates every year?', k: 1 })
    expect(body.hits[0].metadata.source).toBe('library/birds/tern.html')
    const rerank = await post(`${server.url}/v1/rerank`, {
      query: 'flightless birds',
      documents: ['Terns migrate.', 'Kiwis cannot fly.'],
    })
    expect(rerank.body.results[0].index).toBe(1)
    const change = await post(`${server.url}/v1/documents`, { documents: [{ id: 'a', text: 'a' }] })
    expect([change.status, change.body.code]).toEqual([403, 'INDEX_READONLY'])
    expect(await server.end('SIGINT')).toBe(0)
    expect(server.stderr()).toMatch(
      /POST \/v1\/search 200 [\d,]+ ms\n[\s\S]*POST \/v1\/documents 403 INDEX_READONLY \d+ ms\n/,
    )
    expect(server.stdout()).toBe('')
  })

  it('finds what is indexed while it only reads, and serves agents at /mcp', async () => {
    const server = await start([])
    const ask = async () =>
      (await post(`${server.url}/v1/search`, { query: 'extinct bird of Mauritius', k: 1 })).body.hits[0].id
    expect(await ask()).not.toMatch(/dodo/)
    await writeFile(join(folder.path, 'library/dodo.txt'), 'The dodo of Mauritius died out.\n')
    expect((await serotine(['index', 'library'], { cwd: folder.path })).code).toBe(0)
    expect(await ask()).toBe('library/dodo.txt#1')
    const client = await overHttp('2026', `${server.url}/mcp`)
    const { structuredContent } = await client.callTool({
      name: 'search',
      arguments: { query: 'extinct bird of Mauritius', limit: 1 },
    })
    expect(structuredContent.hits[0].citation).toBe('library/dodo.txt:1')
    await client.close()
    await rm(join(folder.path, 'library/dodo.txt'))
    expect((await serotine(['index', 'library'], { cwd: folder.path })).code).toBe(0)
    expect(await ask()).not.toMatch(/dodo/)
    // Made anew by another model: what was there goes on being served, and the log says so.
    expect((await serotine(['index', 'library', '--rebuild', '--pool-factor', '2'], { cwd: folder.path })).code).toBe(0)
    expect(await ask()).toMatch(/#|proxy|vol/)
    expect(server.stderr()).toMatch(
      /warning \.serotine has changed and cannot be opened; searches see what was there before: /,
    )
    expect((await serotine(['index', 'library', '--rebuild', '--pool-factor', '0'], { cwd: folder.path })).code).toBe(0)
    expect(await server.end()).toBe(0)
  })

  it('changes the index with --writable; what was added is there afterwards', async () => {
    const server = await start(['.serotine', '--writable', '--json'])
    const document = { id: 'emu', text: 'The emu runs fast.', metadata: { source: 'note' } }
    expect((await post(`${server.url}/v1/documents`, { documents: [document] })).body.added).toBe(1)
    expect(await server.end()).toBe(0)
    const entries = server
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(entries.map(({ event }) => event)).toEqual(['listening', 'request', 'closed'])
    expect(entries[1]).toMatchObject({ level: 'info', method: 'POST', route: '/v1/documents', status: 200 })
    const { stdout } = await serotine(['search', 'Which bird runs fast?', '-k', '1', '--json'], { cwd: folder.path })
    expect(JSON.parse(stdout).hits[0].id).toBe('emu')
  })

  it('splits a file that is sent as serotine index does; it stays when folders are indexed again', async () => {
    const server = await start(['.serotine', '--writable'])
    const text = `# Birds of prey\n\n${'The osprey catches fish from the water. '.repeat(60)}\n\n## Owls\n\nThe barn owl hears mice.\n`
    const send = (name: string, file: object) => post(`${server.url}/v1/files`, { name, ...file })
    const { status, body } = await send('prey.md', { text })
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ source: 'upload:prey.md', split: true, deleted: 0, updated: 0 }),
    ])
    expect(body.documents).toBeGreaterThan(2)
    expect(body.added).toBe(body.documents)
    const found = await post(`${server.url}/v1/search`, { query: 'Which bird hears mice?', k: 1 })
    expect(found.body.hits[0]).toMatchObject({
      metadata: { source: 'upload:prey.md', heading: 'Birds of prey › Owls', line: 5 },
    })
    const shorter = await send('prey.md', {
      base64: Buffer.from('# Owls\n\nThe barn owl hears mice.\n').toString('base64'),
    })
    expect(shorter.body).toMatchObject({ documents: 1, deleted: body.documents - 1 })
    const lines = await send('more.jsonl', { text: '{"id":"kea","text":"The kea is a parrot.","lang":"en"}\n' })
    expect(lines.body).toMatchObject({ documents: 1, added: 1 })
    for (const [name, file, message] of [
      ['a.png', { base64: Buffer.from([0, 1, 2]).toString('base64') }, /a\.png is binary/],
      ['a.pdf', { text: 'no' }, /a\.pdf cannot be read|not installed/],
      ['a.jsonl', { text: 'no' }, /a\.jsonl:1 is not JSON/],
      ['a.jsonl.gz', { text: 'no' }, /compressed/],
      ['../../etc/passwd', { text: ' ' }, /has no text/],
    ] as const) {
      const answer = await send(name, file)
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringMatching(message)])
    }
    expect(await server.end()).toBe(0)
    expect((await serotine(['index', '.'], { cwd: folder.path })).code).toBe(0)
    const { stdout } = await serotine(['search', 'Which bird hears mice?', '-k', '1', '--json'], { cwd: folder.path })
    expect(JSON.parse(stdout).hits[0].metadata.source).toBe('upload:prey.md')
    expect((await serotine(['remove', 'upload:prey.md', 'kea'], { cwd: folder.path })).code).toBe(0)
  })

  it('shows a page, unless it is told not to', async () => {
    const server = await start([])
    const page = await fetch(server.url)
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(await page.text()).toContain('<title>Serotine</title>')
    await server.end()
    const without = await start(['--no-page'])
    expect((await fetch(without.url)).status).toBe(404)
    expect(await without.end()).toBe(0)
  })

  it('takes its token from the environment, and needs one beyond this machine', async () => {
    const without = await serotine(['serve', '--host', '0.0.0.0', '--port', '0', '--workers', '0'], {
      cwd: folder.path,
    })
    expect(without.code).toBe(1)
    expect(without.stderr).toMatch(/lets other machines call the server: give it a token .*SEROTINE_TOKEN/)
    const server = await start(['--host', '0.0.0.0'], { SEROTINE_TOKEN: 'secret' })
    const url = `${server.url.replace('0.0.0.0', '127.0.0.1')}/v1/rerank`
    const body = { query: 'a', documents: ['a'] }
    expect((await post(url, body)).status).toBe(401)
    expect((await post(url, body, { Authorization: 'Bearer secret' })).status).toBe(200)
    expect(await server.end()).toBe(0)
    expect(server.stderr() + server.stdout()).not.toContain('secret')
  })

  it('hands limits, hosts and origins on', async () => {
    const server = await start([
      '--limit',
      'documents=1',
      '--limit',
      'bodyBytes=500',
      '--allowed-host',
      '127.0.0.1',
      '--allowed-origin',
      'https://a.example',
    ])
    const answer = await post(
      `${server.url}/v1/rerank`,
      { query: 'a', documents: ['a', 'b'] },
      { Origin: 'https://a.example' },
    )
    expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining('more than 1')])
    expect((await post(`${server.url}/v1/rerank`, { query: 'a', documents: ['a'.repeat(600)] })).status).toBe(413)
    expect(
      (await post(server.url.replace('127.0.0.1', 'localhost') + '/v1/rerank', { query: 'a', documents: ['a'] }))
        .status,
    ).toBe(403)
    expect(await server.end()).toBe(0)
  })

  it.each([
    [['nowhere'], 1, /There is no index at nowhere/],
    [['--limit', 'documents'], 2, /It must look like bodyBytes=50000000/],
    [['--limit', 'document=1'], 2, /no option "document". Did you mean "documents"/],
    [['--port', '70000'], 1, /port must be an integer from 0 to 65535/],
    [['--allowed-host', 'http://a'], 1, /An allowed host/],
  ])('%j is an error', async (args, code, message) => {
    const outcome = await serotine(['serve', '--workers', '0', ...args], { cwd: folder.path })
    expect(outcome.stderr).toMatch(message)
    expect(outcome.code).toBe(code)
  })
})
