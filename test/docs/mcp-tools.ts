import { InMemoryTransport } from '@modelcontextprotocol/client'
import { createMcpServer } from '../../packages/server/src/mcp/index.js'
import { newClient } from '../server/mcp/clients.js'
import type { ListedTool } from '../server/mcp/clients.js'

/** What a server of the Model Context Protocol tells of itself, with all tools that it can have. */
export async function served(): Promise<{ tools: ListedTool[]; templates: string[]; resources: string[] }> {
  const [ours, theirs] = InMemoryTransport.createLinkedPair()
  const never = () => Promise.reject(new Error('Nothing is indexed here.'))
  const server = createMcpServer({ indexFolder: { folders: ['docs'], run: never } })
  const client = newClient('2025')
  await Promise.all([server.connect(ours), client.connect(theirs)])
  const { tools } = await client.listTools()
  const { resourceTemplates } = await client.listResourceTemplates()
  const { resources } = await client.listResources()
  await client.close()
  return {
    tools,
    templates: resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    resources: resources.map(({ uri }) => uri),
  }
}
