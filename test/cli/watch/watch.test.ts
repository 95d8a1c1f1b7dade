// `serotine watch` and `serotine serve` of texts, as a user's shell runs them, with other processes beside them.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FIXTURES, serotine, workFolder } from '../run-cli.js'

const CLI = fileURLToPath(new URL('../../../packages/cli/dist/cli.js', import.meta.url))
const folder = workFolder()
const at = (...path: string[]) => join(folder.path, ...path)
beforeEach(() => {
  for (const name of ['library', '.serotine', 'other']) rmSync(at(name), { recursive: true, force: true })
  cpSync(join(FIXTURES, 'library'), at('library'), { recursive: true })
})

const running: ChildProcess[] = []
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

interface Running {
  stdout(): string
  stderr(): string
  /** Waits until standard error says this. */
  says(what: RegExp, ms?: number): Promise<RegExpExecArray>
  end(signal?: NodeJS.Signals): Promise<number | null>
}

function start(args: readonly string[], command: readonly string[] = []): Running {
  const { SEROTINE_TOKEN: _, FORCE_COLOR: _force, ...env } = process.env
  const [program, ...rest] = [...command, process.execPath, CLI, ...args] as [string, ...string[]]
  const child = spawn(program, rest, { cwd: folder.path, env })
  running.push(child)
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const closed = new Promise<number | null>((done) => child.on('close', done))
  return {
    stdout: () => stdout,
    stderr: () => stderr,
    async says(what, ms = 30_000) {
      for (const until = Date.now() + ms; Date.now() < until; await new Promise((next) => setTimeout(next, 20))) {
        const found = what.exec(stderr)
        if (found) return found
      }
      throw new Error(`It did not say ${what}: ${stderr}`)
    },
    end: (signal = 'SIGTERM') => {
      child.kill(signal)
      return closed
    },
  }
}

const search = async (query: string, ...more: string[]): Promise<string[]> => {
  const { stdout, stderr } = await serotine(['search', query, '--json', ...more], { cwd: folder.path })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout).hits.map(({ source }: { source: string }) => source)
}
const first = async (url: string, query: string): Promise<string | undefined> => {
  const answer = await fetch(`${url}/v1/search`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, k: 1 }),
  })
  const { hits } = (await answer.json()) as { hits: { metadata: { source?: string } }[] }
  return hits[0]?.metadata.source
}
/** Asks again until it is so: a change is found a moment later. */
async function until(isSo: () => Promise<boolean>, ms = 15_000): Promise<void> {
  for (const end = Date.now() + ms; !(await isSo()); await new Promise((next) => setTimeout(next, 100))) {
    if (Date.now() > end) throw new Error('It is not so.')
  }
}

describe('serotine watch', () => {
  it('follows what is written, renamed and removed, ends at a signal, and catches up when it is started again', async () => {
    const watching = start(['watch', 'library'])
    await watching.says(/✓ \.serotine holds \d+ passages of \d+ files, and follows library\n/)
    writeFileSync(at('library/emu.md'), '# Emu\n\nThe emu is a bird that runs fast in Australia.')
    await watching.says(/1 file read: passages 1 new/)
    expect((await search('Which bird runs fast in Australia?'))[0]).toBe('library/emu.md')
    renameSync(at('library/emu.md'), at('library/runner.md'))
    await watching.says(/1 file read, 1 file gone: passages 1 new, 1 removed/)
    expect((await search('Which bird runs fast in Australia?'))[0]).toBe('library/runner.md')
    const locked = await serotine(['index', 'library'], { cwd: folder.path })
    expect([locked.code, locked.stderr]).toEqual([1, expect.stringContaining('lock')])
    expect(await watching.end('SIGINT')).toBe(0)
    rmSync(at('library/runner.md'))
    writeFileSync(at('library/owl.md'), 'The owl hunts at night.')
    const again = start(['watch', 'library', '--json'])
    await again.says(/and follows library/)
    expect(JSON.parse(again.stdout().trim())).toMatchObject({
      event: 'indexed',
      files: { gone: 1 },
      passages: { added: 1, removed: 1 },
    })
    expect(await again.end('SIGTERM')).toBe(0)
    const { stdout } = await serotine(['index', 'library', '--json'], { cwd: folder.path })
    expect(JSON.parse(stdout)).toMatchObject({ added: 0, updated: 0, removed: 0 })
  })

  it('survives that its folder disappears and comes back', async () => {
    const watching = start(['watch', 'library'])
    await watching.says(/and follows library/)
    renameSync(at('library'), at('other'))
    await watching.says(/warning .*library is not there\. What the index has of it stays/)
    expect(await search('Which bird migrates every year?')).not.toEqual([])
    renameSync(at('other'), at('library'))
    await watching.says(/library is there again/)
    writeFileSync(at('library/emu.md'), 'The emu runs.')
    await watching.says(/1 file read: passages 1 new/)
    expect(await watching.end()).toBe(0)
  })

  it('tells what cannot be read, and what was there stays', async () => {
    const watching = start(['watch', 'library'])
    await watching.says(/and follows library/)
    writeFileSync(at('library/facts.jsonl'), '{"id":')
    await watching.says(/warning library\/facts\.jsonl:1 is not JSON/)
    expect(await search('proxy')).toContain('library/facts.jsonl')
    expect(await watching.end()).toBe(0)
  })

  it('remembers its options with the index, as serotine index does', async () => {
    writeFileSync(at('library/code.ts'), 'export const penguin = "swims"')
    const watching = start(['watch', 'library', '--extensions', '.ts', '--exclude', 'birds/'])
    await watching.says(/and follows library/)
    expect(await watching.end()).toBe(0)
    const { stdout } = await serotine(['index', 'library', '--json'], { cwd: folder.path })
    expect(JSON.parse(stdout)).toMatchObject({ added: 0, removed: 0, skipped: { excluded: 1 } })
    expect(await search('penguin', '-k', '1')).toEqual(['library/code.ts'])
  })

  it('looks by itself with --poll', async () => {
    const watching = start(['watch', 'library', '--poll', '1'])
    await watching.says(/and follows library/)
    writeFileSync(at('library/emu.md'), 'The emu runs.')
    await watching.says(/1 file read: passages 1 new/)
    expect(await watching.end()).toBe(0)
  })

  // A user namespace has a limit of its own.
  const few = ['unshare', '-Ur', 'sh', '-c', 'echo 3 > /proc/sys/user/max_inotify_watches && exec "$@"', 'sh']
  const canLimit = spawnSync(few[0]!, [...few.slice(1), 'true']).status === 0
  it.skipIf(!canLimit)('says when the system has no watchers left, and follows all the same', async () => {
    const watching = start(['watch', 'library'], few)
    await watching.says(
      /warning The system has no more watchers to give \(ENOSPC\), so the files are looked at every 2 seconds/,
    )
    writeFileSync(at('library/emu.md'), 'The emu runs.')
    await watching.says(/1 file read: passages 1 new/)
    expect(watching.stderr().match(/no more watchers/g)).toHaveLength(1)
    expect(await watching.end()).toBe(0)
  })

  it('can begin with an empty folder', async () => {
    mkdirSync(at('other'))
    const watching = start(['watch', 'other'])
    await watching.says(/holds 0 passages of 0 files/)
    writeFileSync(at('other/a.md'), 'The emu runs.')
    await watching.says(/1 file read: passages 1 new/)
    expect(await watching.end()).toBe(0)
  })
})

describe('serotine serve', () => {
  const serving = async (args: readonly string[]) => {
    const server = start(['serve', '--port', '0', '--workers', '0', ...args])
    const [url] = await server.says(/http:\/\/\S+/)
    return { ...server, url }
  }

  it('indexes a folder of texts and serves it; others may write to the index, and what they write is found', async () => {
    const server = await serving(['library'])
    expect(server.stderr()).toMatch(/✓ serving \.serotine, \d+ passages, and reranking/)
    expect(await first(server.url, 'Which bird migrates every year?')).toBe('library/birds/tern.html')
    writeFileSync(at('library/emu.md'), 'The emu is a bird that runs fast in Australia.')
    expect((await serotine(['index', 'library'], { cwd: folder.path })).code).toBe(0)
    await until(async () => (await first(server.url, 'Which bird runs fast in Australia?')) === 'library/emu.md')
    expect(server.stderr()).toContain('the index has changed')
    expect(await server.end()).toBe(0)
  })

  it('with --watch follows the texts while it serves them, and serves those of last time at once', async () => {
    const server = await serving(['library', '--watch', '--index', 'other'])
    writeFileSync(at('library/emu.md'), 'The emu is a bird that runs fast in Australia.')
    await until(async () => (await first(server.url, 'Which bird runs fast in Australia?')) === 'library/emu.md')
    // Clients change nothing.
    const change = await fetch(`${server.url}/v1/documents/library%2Femu.md%231`, { method: 'DELETE' })
    expect(change.status).toBe(403)
    expect(await server.end('SIGINT')).toBe(0)
    rmSync(at('library/emu.md'))
    const again = await serving(['library', '--watch', '--index', 'other'])
    expect(again.stderr()).toMatch(/✓ serving other, \d+ passages/)
    await again.says(/1 file gone: passages 1 removed/)
    expect(await first(again.url, 'Which bird runs fast in Australia?')).not.toBe('library/emu.md')
    expect(await again.end()).toBe(0)
  })

  it.each([
    [['--watch'], /--watch follows texts, and none are named\. For example: serotine serve \.\/docs --watch\./],
    [['other', '--watch'], /For example: serotine serve \.\/docs --watch --index other\./],
    [['other', '--index', 'b'], /other is not a folder of texts/],
    [['empty'], /There are no texts in empty/],
  ])('%j is an error', async (args, message) => {
    mkdirSync(at('empty'), { recursive: true })
    mkdirSync(at('other'))
    writeFileSync(at('other/serotine.json'), '{}')
    const outcome = await serotine(['serve', '--workers', '0', ...args], { cwd: folder.path })
    expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringMatching(message)])
    expect(existsSync(at('.serotine'))).toBe(false)
  })
})
