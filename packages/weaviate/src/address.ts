import { SerotineError } from '@serotine/core'
import { describe, nearestName } from '@serotine/core/options'
import type { WeaviateOptions } from './options.js'

/** What of a collection the query of an address may say, and how it is read. */
const PARAMETERS: Readonly<Record<string, (value: string) => Partial<WeaviateOptions>>> = {
  grpc: () => ({}),
  tenant: (tenant) => ({ tenant }),
  mode: (mode) => ({ mode: mode as never }),
  codec: (codec) => ({ codec: codec as never }),
  fde: (fde) => ({ fde: fde as never }),
  quantizer: (quantizer) => ({ quantizer: quantizer as never }),
  replicationFactor: (value) => ({ replicationFactor: Number(value) }),
  shards: (value) => ({ shards: Number(value) }),
  consistency: (value) => ({ consistency: value.toUpperCase() as never }),
  nodes: (value) => ({ nodes: Number(value) }),
  timeoutMs: (value) => ({ timeoutMs: Number(value) }),
}

/**
 * The options that an address like `weaviate://localhost:8080/Birds?grpc=50051` stands for. `weaviates://` is https. Several servers stand one after the
 * other with commas, and so do their gRPC ports. A key stands before an @: `weaviate://:key@host/Birds`.
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function optionsOf(address: string, given: Partial<WeaviateOptions> = {}): WeaviateOptions {
  const [, scheme, key, hosts, path = '', query = ''] =
    /^(weaviates?):\/\/(?:([^@/?#]*)@)?([^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(String(address)) ?? []
  const collection = given.collection ?? decoded(path.replace(/\/$/, ''))
  if (scheme === undefined || hosts === undefined || collection === '') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The address of a collection is like weaviate://localhost:8080/Birds?grpc=50051, got ${describe(withoutKey(String(address)))}.`,
    )
  }
  const isSecure = scheme === 'weaviates'
  const parameters = new URLSearchParams(query)
  let options: Partial<WeaviateOptions> = {}
  for (const [name, value] of parameters) {
    const read = PARAMETERS[name]
    if (!read) {
      const guess = nearestName(name, Object.keys(PARAMETERS))
      const hint = guess ? `Did you mean "${guess}"?` : `There are ${Object.keys(PARAMETERS).join(', ')}.`
      throw new SerotineError('UNKNOWN_OPTION', `The address of a Weaviate collection has no "${name}". ${hint}`)
    }
    options = { ...options, ...read(value) }
  }
  const servers = hosts.split(',')
  const ports = parameters.get('grpc')?.split(',') ?? []
  const names = servers.map((server) => server.replace(/:\d+$/, ''))
  const grpc = names.map((name, i) => {
    const port = ports[i] ?? ports[0] ?? (isSecure ? '443' : '50051')
    return port.includes(':') ? port : `${name}:${port}`
  })
  const url = servers.map((server) => {
    const hasPort = /:\d+$/.test(server)
    return `${isSecure ? 'https' : 'http'}://${server}${hasPort || isSecure ? '' : ':8080'}`
  })
  const apiKey = key === undefined ? undefined : decoded(key.slice(key.indexOf(':') + 1))
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { url, grpc, ...(apiKey !== undefined && { apiKey }), ...options, ...defined, collection }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function withoutKey(address: string): string {
  return address.replace(/\/\/[^@/]*@/, '//…@')
}
