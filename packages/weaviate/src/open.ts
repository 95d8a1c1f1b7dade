import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'
import { Catalog } from './catalog.js'
import type { StoredSpec } from './catalog.js'
import { RequestFailure } from './client/endpoint.js'
import { Servers } from './client/servers.js'
import { Cluster } from './cluster.js'
import type { CheckedOptions } from './options.js'
import { catalogClass, catalogName, documentClass, isOurs, modeOf } from './schema.js'
import type { ServerClass } from './schema.js'

/** Filters by `not`, and 8-bit quantization of encodings. */
const OLDEST = [1, 33] as const
/** Servers with fewer than so many replicas lose documents with one of them, at least until it is back. */
const REPLICAS = 3

export interface Opened {
  readonly servers: Servers
  readonly cluster: Cluster
  readonly catalog: Catalog
  readonly spec: StoredSpec
}

/** Finds a collection, or makes it. @throws what requests throw; INDEX_FORMAT, INDEX_MISMATCH, STORE_UNSUPPORTED */
export async function openCollection(options: CheckedOptions): Promise<Opened> {
  const { addresses, headers, timeoutMs, collection, tenant, consistency } = options
  const servers = new Servers({ addresses, headers, timeoutMs })
  try {
    await checkVersion(servers)
    const catalog = new Catalog(servers, catalogName(collection), tenant, consistency)
    const found = await ensureClasses(servers, options)
    const spec = (await catalog.spec()) ?? (await firstSpec(servers, catalog, options, modeOf(found)))
    checkSettings(options, spec, found)
    const cluster = new Cluster(servers, {
      collection,
      tenant,
      nodes: options.nodes ?? spec.nodes,
      replicationFactor: found.replicationConfig?.factor ?? 1,
      shards: tenant === undefined ? (found.shardingConfig?.actualCount ?? found.shardingConfig?.desiredCount ?? 1) : 1,
    })
    return { servers, cluster, catalog, spec }
  } catch (error) {
    servers.close()
    throw error
  }
}

async function checkVersion(servers: Servers): Promise<void> {
  const { version } = ((await servers.rest('GET', '/v1/meta', undefined, { patienceMs: 1000 })) ?? {}) as {
    version?: string
  }
  const [major, minor] = (version ?? '').split('.').map(Number)
  if (major === undefined || minor === undefined || Number.isNaN(minor)) {
    throw new SerotineError(
      'STORE_UNSUPPORTED',
      `What answers at ${servers.name} is no Weaviate server. Check the address.`,
    )
  }
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  throw new SerotineError(
    'STORE_UNSUPPORTED',
    `Weaviate ${version} at ${servers.name} is too old: ${OLDEST.join('.')} or later is needed. Update the server.`,
  )
}

async function classOf(servers: Servers, name: string): Promise<ServerClass | undefined> {
  return (await servers.rest('GET', `/v1/schema/${name}`)) as ServerClass | undefined
}

async function ensureClasses(servers: Servers, options: CheckedOptions): Promise<ServerClass> {
  const { collection, tenant, readonly } = options
  const found = await classOf(servers, collection)
  if (found && !isOurs(found)) {
    throw new SerotineError(
      'INDEX_FORMAT',
      `The collection ${collection} was not made by Serotine. Use another name; nothing in it was changed.`,
    )
  }
  if (found && (await classOf(servers, catalogName(collection)))) {
    await ensureTenant(servers, options, found)
    return found
  }
  if (readonly) {
    throw new SerotineError(
      'INDEX_FORMAT',
      `There is no collection ${collection} to read. Open it once without readonly.`,
    )
  }
  const nodes = options.nodes ?? (await liveNodes(servers))
  const settings = {
    ...options,
    mode: found ? modeOf(found) : (options.mode ?? 'fde'),
    replicationFactor: found?.replicationConfig?.factor ?? options.replicationFactor ?? Math.min(REPLICAS, nodes),
    multiTenant: tenant !== undefined,
  }
  if (settings.replicationFactor > nodes) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `replicationFactor ${settings.replicationFactor} takes as many servers, and there are ${nodes}. Start the others, or ask for fewer.`,
    )
  }
  if (!found) await make(servers, documentClass(settings))
  await make(servers, catalogClass(settings))
  const made = (await classOf(servers, collection))!
  await ensureTenant(servers, options, made)
  return made
}

/** Somebody else may make it at the same time. */
async function make(servers: Servers, definition: object): Promise<void> {
  await servers.ask(async (endpoint) => {
    try {
      await endpoint.rest('POST', '/v1/schema', definition)
    } catch (error) {
      const isThere = error instanceof RequestFailure && /already exists|already used/i.test(error.message)
      if (!isThere) throw error
    }
  })
}

async function ensureTenant(
  servers: Servers,
  { collection, tenant, readonly }: CheckedOptions,
  found: ServerClass,
): Promise<void> {
  const isMulti = found.multiTenancyConfig?.enabled === true
  if (isMulti !== (tenant !== undefined)) {
    throw new SerotineError(
      'INDEX_MISMATCH',
      isMulti
        ? `The collection ${collection} has tenants. Say which with tenant.`
        : `The collection ${collection} has no tenants, so there is no ${describe(tenant)} in it. Leave out tenant, or use another collection.`,
    )
  }
  if (!isMulti || readonly) return
  await servers.rest('POST', `/v1/schema/${collection}/tenants`, [{ name: tenant }])
}

async function liveNodes(servers: Servers): Promise<number> {
  const { nodes = [] } = ((await servers.rest('GET', '/v1/nodes?output=minimal')) ?? {}) as {
    nodes?: { status: string }[]
  }
  return Math.max(1, nodes.filter(({ status }) => status === 'HEALTHY').length)
}

async function firstSpec(
  servers: Servers,
  catalog: Catalog,
  { codec, fde, readonly, nodes, collection, tenant }: CheckedOptions,
  mode: StoredSpec['mode'],
): Promise<StoredSpec> {
  if (readonly) {
    throw new SerotineError(
      'INDEX_FORMAT',
      `There is nothing of ${tenant === undefined ? collection : `tenant ${describe(tenant)} of ${collection}`} to read yet. Open it once without readonly.`,
    )
  }
  return catalog.writeSpec({
    mode,
    codec: mode === 'native' ? 'f32' : (codec ?? 'int8'),
    model: null,
    dim: null,
    fde: mode === 'native' ? null : (fde ?? {}),
    nodes: nodes ?? (await liveNodes(servers)),
  })
}

/** What was asked for must be what is there. @throws INDEX_MISMATCH naming both */
function checkSettings(options: CheckedOptions, spec: StoredSpec, found: ServerClass): void {
  const { collection, mode, codec, fde, replicationFactor } = options
  const differs = (name: string, asked: unknown, has: unknown): void => {
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The collection ${collection} was made with ${name} ${describe(has)}, not ${describe(asked)}. Leave ${name} out, or make another collection.`,
    )
  }
  if (mode !== undefined && mode !== spec.mode) differs('mode', mode, spec.mode)
  if (codec !== undefined && codec !== spec.codec) differs('codec', codec, spec.codec)
  if (fde !== undefined && spec.fde !== null && !sameSettings(fde, spec.fde)) {
    differs('fde', JSON.stringify(fde), JSON.stringify(spec.fde))
  }
  const factor = found.replicationConfig?.factor
  if (replicationFactor !== undefined && factor !== undefined && replicationFactor !== factor) {
    differs('replicationFactor', replicationFactor, factor)
  }
}

function sameSettings(a: object, b: object): boolean {
  const text = (one: object) =>
    JSON.stringify(
      Object.entries({ preset: 'compact', ...one })
        .filter(([, value]) => value !== undefined)
        .sort(),
    )
  return text(a) === text(b)
}
