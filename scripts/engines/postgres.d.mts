/** It cannot be had here: no network, no Python, no wheel for this platform. */
export declare class EngineUnavailable extends Error {}
export declare const PASSWORD: string
export declare function install(): Promise<string>
export declare function up(options?: {
  folder?: string
}): Promise<{ url: string; stop(): Promise<void>; server: PostgresServer }>
export declare function freePort(): Promise<number>
export declare class PostgresServer {
  readonly programs: string
  readonly folder: string
  readonly port: number
  readonly exists: boolean
  constructor(programs: string, folder: string, port: number)
  url(other?: { user?: string; password?: string; database?: string }): string
  create(): Promise<void>
  follow(primary: PostgresServer): Promise<void>
  start(settings?: Record<string, string | number>): Promise<void>
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  promote(): Promise<void>
  log(): string
  remove(): void
}
