import { existsSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
// @ts-expect-error a script without types
import { binary, buildCommand, up } from '../../scripts/engines/weaviate.mjs'

export interface WeaviateServers {
  readonly url: string
  readonly grpc: string
  readonly nodes: readonly { readonly url: string; readonly grpc: string }[]
  readonly data: string
  kill(node: number): Promise<unknown>
  start(node: number): Promise<unknown>
  stop(): Promise<void>
}

/** Whether there is a server to start. Said aloud where there is none: what is skipped then is not tested anywhere else. */
export const isBuilt: boolean = existsSync(binary as string)
if (!isBuilt) {
  process.stderr.write(
    `\nSKIPPED: there is no Weaviate server to test with. Build it (5 minutes, 3 GB of caches): ${buildCommand as string}\n\n`,
  )
}

export async function startServers(
  options: { nodes?: number; env?: Record<string, string> } = {},
): Promise<WeaviateServers> {
  return (await up({ ...options, mayBuild: false, quiet: true })) as WeaviateServers
}

/** Servers for the tests of a file. */
export function useServers(options: { nodes?: number; env?: Record<string, string> } = {}): {
  readonly current: WeaviateServers
} {
  let servers: WeaviateServers | undefined
  beforeAll(async () => {
    if (isBuilt) servers = await startServers(options)
  }, 120_000)
  afterAll(() => servers?.stop(), 60_000)
  return {
    get current() {
      return servers!
    },
  }
}
