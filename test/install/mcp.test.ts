// An agent's first tool call, as its configuration makes it: `npx -y serotine mcp` in an empty folder, the packed packages from a registry.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newClient } from '../server/mcp/clients.js'
import { foreignRuntimes, packAll } from './packed.js'
import { serveRegistry } from './registry.js'
import type { Registry } from './registry.js'

let scratch: string
let registry: Registry
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'serotine-mcp-'))
  registry = await serveRegistry(packAll(join(scratch, 'tarballs')).values(), foreignRuntimes())
}, 240_000)
afterAll(() => {
  registry?.close()
  rmSync(scratch, { recursive: true, force: true })
})

/** Seconds from the command to the first result of a tool. */
async function firstResult(cache: string): Promise<number> {
  const folder = mkdtempSync(join(scratch, 'empty-'))
  const started = performance.now()
  const client = newClient('2025')
  // Nothing of this checkout's own package manager.
  const inherited = Object.entries(process.env as Record<string, string>).filter(
    ([name]) => !/^(npm|pnpm)_/i.test(name),
  )
  const env = { ...Object.fromEntries(inherited), npm_config_registry: registry.url, npm_config_cache: cache }
  await client.connect(
    new StdioClientTransport({ command: 'npx', args: ['-y', 'serotine', 'mcp'], cwd: folder, env, stderr: 'ignore' }),
    { timeout: 120_000 },
  )
  const call = { query: 'Which birds cannot fly?', documents: ['Terns migrate.', 'Kiwis cannot fly.'] }
  const { structuredContent } = await client.callTool({ name: 'rerank', arguments: call })
  expect(structuredContent.results[0].index).toBe(1)
  const { isError, content } = await client.callTool({ name: 'search', arguments: { query: 'birds' } })
  expect([isError, content[0]!.text]).toEqual([true, expect.stringMatching(/There is no index at \.serotine yet/)])
  const seconds = (performance.now() - started) / 1000
  await client.close()
  return seconds
}

it('answers from nothing installed, and again from what was', async () => {
  const cache = join(scratch, 'cache')
  mkdirSync(cache)
  const [first, again] = [await firstResult(cache), await firstResult(cache)]
  // For docs/mcp.md.
  if (process.env.SEROTINE_INSTALL_RESULT) process.stdout.write(`${JSON.stringify({ first, again })}\n`)
}, 240_000)
