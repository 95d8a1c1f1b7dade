// The SDK's own clients: the one of today's protocol, and the one before it that most agents are built with.
import { Client as NewClient, StreamableHTTPClientTransport as NewHttp } from '@modelcontextprotocol/client'
import type { Transport } from '@modelcontextprotocol/client'
import { StdioClientTransport as NewStdio } from '@modelcontextprotocol/client/stdio'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

export const ERAS = ['2025', '2026'] as const
export type Era = (typeof ERAS)[number]

/** What the tests call of either client. */
export interface McpClient {
  connect(transport: unknown, options?: object): Promise<void>
  close(): Promise<void>
  getServerVersion(): { name: string } | undefined
  getInstructions(): string | undefined
  listTools(): Promise<{ tools: ListedTool[] }>
  callTool(call: { name: string; arguments?: Record<string, unknown> }, ...rest: never[]): Promise<ToolAnswer>
  listResources(): Promise<{ resources: { uri: string }[] }>
  listResourceTemplates(): Promise<{ resourceTemplates: { uriTemplate: string }[] }>
  readResource(which: { uri: string }): Promise<{ contents: { uri: string; text?: string; mimeType?: string }[] }>
  complete(params: object): Promise<{ completion: { values: string[] } }>
}
export interface ListedTool {
  name: string
  description?: string
  inputSchema: { properties?: Record<string, unknown>; required?: string[] }
  outputSchema?: object
  annotations?: Record<string, unknown>
}
export interface ToolAnswer {
  isError?: boolean
  content: { type: string; text: string }[]
  // oxlint-disable-next-line typescript/no-explicit-any
  structuredContent?: any
}

export function newClient(era: Era): McpClient {
  const info = { name: 'test', version: '1.0.0' }
  const client =
    era === '2025' ? new OldClient(info) : new NewClient(info, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  return client as unknown as McpClient
}

/** A client of a server at a URL. */
export async function overHttp(era: Era, url: string, headers: Record<string, string> = {}): Promise<McpClient> {
  const client = newClient(era)
  const options = { requestInit: { headers } }
  await client.connect(
    era === '2025' ? new OldHttp(new URL(url), options) : (new NewHttp(new URL(url), options) as Transport),
  )
  return client
}

/** A client of a program that it starts. */
export async function overStdio(
  era: Era,
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Promise<{ client: McpClient; pid: number; stderr: () => string }> {
  const client = newClient(era)
  const { FORCE_COLOR: _, ...inherited } = process.env as Record<string, string>
  const how = {
    command: process.execPath,
    args: [...args],
    cwd,
    env: { ...inherited, ...env },
    stderr: 'pipe' as const,
  }
  const transport = era === '2025' ? new OldStdio(how) : new NewStdio(how)
  let stderr = ''
  transport.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await client.connect(transport)
  return { client, pid: transport.pid!, stderr: () => stderr }
}
