// docs/mcp.md: its tools are those of the server, and its configurations start one.
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serotine } from '../cli/run-cli.js'
import { overStdio } from '../server/mcp/clients.js'
import { FILES } from './files.js'
import { served } from './mcp-tools.js'
import { blocksOf, readPage } from './pages.js'
import { Workshop } from './programs.js'

const PAGE = 'docs/mcp.md'
const CLI = fileURLToPath(new URL('../../packages/cli/dist/cli.js', import.meta.url))

interface Configured {
  readonly command?: string
  readonly args?: readonly string[]
  readonly url?: string
  readonly type?: string
}

/** The servers of a block, whatever the agent calls their list. */
const configured = blocksOf(PAGE)
  .filter(({ language }) => language === 'json')
  .map(({ code, line }) => {
    const parsed = JSON.parse(code) as Record<string, Record<string, Configured>>
    const [[list, servers]] = Object.entries(parsed) as [[string, Record<string, Configured>]]
    return { line, list, server: servers['serotine']! }
  })

let workshop: Workshop
let room: string
beforeAll(async () => {
  workshop = new Workshop()
  room = workshop.room('mcp', FILES[PAGE])
  const { code, stderr } = await serotine(['index', 'docs'], { cwd: room })
  if (code !== 0) throw new Error(stderr)
})
afterAll(() => workshop.remove())

describe('docs/mcp.md', () => {
  it('has a configuration for each kind of list that agents keep', () => {
    expect([...new Set(configured.map(({ list }) => list))]).toEqual(['mcpServers', 'servers', 'context_servers'])
    for (const { server } of configured) {
      if (server.type === 'http') expect(server.url).toBe('http://127.0.0.1:7337/mcp')
      else expect([server.command, server.args?.slice(0, 3)]).toEqual(['npx', ['-y', 'serotine', 'mcp']])
    }
  })

  it.each(configured.filter(({ server }) => server.command))(
    'of line $line starts a server that answers',
    async ({ server }) => {
      // The places of the page's indexes are not of this machine.
      const args = server.args!.slice(3).map((arg) => arg.replace(/=\/.*/, '=.serotine'))
      const { client } = await overStdio('2025', [CLI, 'mcp', ...args], { cwd: room })
      const { structuredContent } = await client.callTool({ name: 'search', arguments: { query: 'birds', limit: 1 } })
      expect(structuredContent.hits).toHaveLength(1)
      await client.close()
    },
  )

  it('lists the tools that there are, with their arguments', async () => {
    const rows = Array.from(readPage(PAGE).matchAll(/^\| `(\w+)` \| ([`\w, ]*) \| .* \|$/gm), ([, name, args]) => ({
      name: name!,
      args: Array.from(args!.matchAll(/`(\w+)`/g), ([, arg]) => arg!),
    }))
    const { tools, templates, resources } = await served()
    expect(rows).toEqual(
      tools.map(({ name, inputSchema }) => ({ name, args: Object.keys(inputSchema.properties ?? {}) })),
    )
    expect([templates, resources]).toEqual([['serotine://{index}/{+id}'], ['serotine://indexes']])
    const { limit, max_characters: most } = tools[0]!.inputSchema.properties as Record<string, { default: number }>
    expect(readPage(PAGE)).toContain(`\`search\` gives ${limit!.default} hits of at most ${most!.default} characters`)
  })
})
