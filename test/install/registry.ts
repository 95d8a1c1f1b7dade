// A package registry that knows our packed packages and nothing else: npm is pointed at it for the scope @serotine.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Packed } from './packed.js'

export interface Registry {
  readonly url: string
  close(): Promise<void>
}

export async function serveRegistry(packages: Iterable<Packed>): Promise<Registry> {
  const byName = new Map([...packages].map((packed) => [packed.manifest.name, packed]))
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://registry').pathname.slice(1))
    const packed = byName.get(path.replace(/\.tgz$/, ''))
    if (packed === undefined) return response.writeHead(404).end()
    const content = readFileSync(packed.tarball)
    if (path.endsWith('.tgz')) return response.end(content)
    const { name, version } = packed.manifest
    const dist = {
      tarball: `${url}${encodeURIComponent(name)}.tgz`,
      integrity: `sha512-${createHash('sha512').update(content).digest('base64')}`,
    }
    return response.setHeader('content-type', 'application/json').end(
      JSON.stringify({
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { ...packed.manifest, dist } },
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { url, close: () => new Promise((resolve) => server.close(() => resolve())) }
}
