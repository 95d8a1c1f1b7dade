import { SerotineError } from '@serotine/core'
import type { StoreHealth } from '@serotine/core/store'
import type { RequestOptions } from './client/endpoint.js'
import type { Servers } from './client/servers.js'

/** Milliseconds after which a server that came back has caught up with what it missed (34 to 45 s were seen). */
const CATCH_UP_MS = 120_000
/** Milliseconds between two looks at where shards are. */
const LOOK_EVERY_MS = 30_000

interface ServerNode {
  readonly name: string
  readonly status: string
  readonly shards?:
    | readonly { readonly name: string; readonly class: string; readonly vectorQueueLength?: number }[]
    | null
}

export interface ClusterSettings {
  readonly collection: string
  readonly tenant: string | undefined
  /** Servers there should be. */
  readonly nodes: number
  readonly replicationFactor: number
  /** Shards there should be. */
  readonly shards: number
}

/**
 * Which servers of the cluster are there. Weaviate answers without an error when the only server that has some documents is gone, and takes writes
 * that fewer replicas have than were asked for: it counts those that it knows to be alive. So what is there is compared with what should be, after
 * each answer.
 */
export class Cluster {
  readonly settings: ClusterSettings
  readonly #servers: Servers
  /** Names of the servers that have a shard, as far as they were ever seen. */
  readonly #placement = new Map<string, Set<string>>()
  #lastLook = 0
  #live: readonly string[] = []
  /** When servers were last seen to come or go. */
  #lastChange = performance.now()

  constructor(servers: Servers, settings: ClusterSettings) {
    this.#servers = servers
    this.settings = settings
  }

  /** Answers cannot be partial where one server has everything: it answers or it does not. */
  get isSingle(): boolean {
    return this.settings.nodes === 1
  }

  /** Replicas of which at least one has what a majority has taken. */
  get replicasToRead(): number {
    return this.settings.replicationFactor - this.replicasToWrite + 1
  }

  /** A majority. */
  get replicasToWrite(): number {
    return Math.floor(this.settings.replicationFactor / 2) + 1
  }

  /**
   * Servers that have to be asked so that one of them has all that was acknowledged. A search asks one replica of each shard, whatever the consistency
   * level; one that was away knows only later what it missed. Where nobody has been away for a while, one is enough.
   */
  get readers(): number {
    const { length } = this.#servers.endpoints
    if (this.isSingle || this.replicasToRead === 1 || length === 1) return 1
    const sinceChange = performance.now() - Math.max(this.#lastChange, this.#servers.lastFailure)
    return sinceChange > CATCH_UP_MS ? 1 : Math.min(this.replicasToRead, length)
  }

  /** @throws PARTIAL_RESULTS when what was just answered may be a part only */
  async checkRead(options?: RequestOptions): Promise<void> {
    if (!this.isSingle) await this.#check(this.replicasToRead, 'read', options)
  }

  /** @throws PARTIAL_RESULTS when fewer replicas than a majority may have what was just written */
  async checkWrite(): Promise<void> {
    if (!this.isSingle) await this.#check(this.replicasToWrite, 'written')
  }

  async health(options?: RequestOptions): Promise<StoreHealth> {
    const nodes = await this.#nodes('verbose', options)
    this.#note(nodes)
    const live = nodes.filter(isHealthy).length
    const short = this.isSingle ? [] : this.#short(this.replicasToRead)
    return { expected: this.settings.nodes, live: Math.min(live, this.settings.nodes), partial: short.length > 0 }
  }

  /** Vectors that are written, and that searches do not find yet. */
  async waiting(options?: RequestOptions): Promise<number> {
    const nodes = await this.#nodes('verbose', options)
    const shards = nodes.flatMap(({ shards: each }) => each ?? []).filter((shard) => this.#isOurs(shard))
    return shards.reduce((sum, { vectorQueueLength = 0 }) => sum + Math.max(0, vectorQueueLength), 0)
  }

  async #check(wanted: number, what: 'read' | 'written', options?: RequestOptions): Promise<void> {
    const isOld = performance.now() - this.#lastLook > LOOK_EVERY_MS
    this.#note(await this.#nodes(isOld ? 'verbose' : 'minimal', options))
    let short = this.#short(wanted)
    // A shard may be somewhere else by now.
    if (short.length > 0 && !isOld) {
      this.#note(await this.#nodes('verbose', options))
      short = this.#short(wanted)
    }
    if (short.length === 0) return
    const { collection, nodes, replicationFactor } = this.settings
    const outcome =
      what === 'read'
        ? 'an answer may leave out documents'
        : 'what was written may be on one server only, and go with it. Writing it again when they are back does no harm'
    throw new SerotineError(
      'PARTIAL_RESULTS',
      `Of the ${nodes} servers of ${collection}, ${this.#live.length} are there (${this.#live.join(', ') || 'none'}): fewer than ${wanted} of the ` +
        `${replicationFactor} replicas of ${short.length} of its shards, so that ${outcome}. Bring the others back.`,
    )
  }

  async #nodes(output: 'minimal' | 'verbose', options?: RequestOptions): Promise<readonly ServerNode[]> {
    const { collection } = this.settings
    const path = output === 'minimal' ? '/v1/nodes?output=minimal' : `/v1/nodes/${collection}?output=verbose`
    const found = (await this.#servers.rest('GET', path, undefined, options)) as { nodes?: ServerNode[] } | undefined
    return found?.nodes ?? []
  }

  #note(nodes: readonly ServerNode[]): void {
    const live = nodes
      .filter(isHealthy)
      .map(({ name }) => name)
      .sort()
    if (this.#live.length > 0 && live.join() !== this.#live.join()) this.#lastChange = performance.now()
    this.#live = live
    let isVerbose = false
    for (const { name, shards } of nodes) {
      for (const shard of shards ?? []) {
        if (!this.#isOurs(shard)) continue
        isVerbose = true
        const holders = this.#placement.get(shard.name) ?? new Set()
        this.#placement.set(shard.name, holders.add(name))
      }
    }
    if (isVerbose) this.#lastLook = performance.now()
  }

  /** Shards of which fewer than so many replicas are there; those that were never seen have none. */
  #short(wanted: number): string[] {
    const live = new Set(this.#live)
    const known = [...this.#placement].filter(([, holders]) => {
      return [...holders].filter((name) => live.has(name)).length < wanted
    })
    const unseen = Math.max(0, this.settings.shards - this.#placement.size)
    return [...known.map(([name]) => name), ...Array.from({ length: unseen }, (_, i) => `unseen ${i}`)]
  }

  #isOurs({ class: name, name: shard }: { readonly class: string; readonly name: string }): boolean {
    const { collection, tenant } = this.settings
    return name === collection && (tenant === undefined || shard === tenant)
  }
}

function isHealthy({ status }: ServerNode): boolean {
  return status === 'HEALTHY'
}
