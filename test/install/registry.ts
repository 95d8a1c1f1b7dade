// A package registry on this machine: our packages as they were packed, all others as npm's own registry has them.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Packed, PackedManifest } from './packed.js'

export interface Registry {
  readonly url: string
  close(): void
}

/**
 * Serves packed packages, as published long ago, so that clients which wait for a release to age take them.
 *
 * @param listed manifests of packages that nobody here will download: those of other platforms
 */
export async function serveRegistry(packages: Iterable<Packed>, listed: readonly PackedManifest[]): Promise<Registry> {
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
    .trim()
    .replace(/\/$/, '')
  const known = new Map<string, { manifest: PackedManifest; content: Buffer }>([
    ...listed.map((manifest) => [manifest.name, { manifest, content: Buffer.alloc(0) }] as const),
    ...[...packages].map(
      ({ manifest, tarball }) => [manifest.name, { manifest, content: readFileSync(tarball) }] as const,
    ),
  ])
  const server = createServer((request, response) => {
    void answer(request.url ?? '/', response).catch((error: unknown) => {
      response.writeHead(502).end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(path: string, response: ServerResponse): Promise<void> {
    const [name, file] = decodeURIComponent(path.slice(1)).split('/-/')
    const ours = known.get(name!)
    if (!ours) {
      const found = await fetch(upstream + path, { headers: { accept: 'application/json' } })
      response.writeHead(found.status, { 'content-type': found.headers.get('content-type') ?? 'application/json' })
      response.end(Buffer.from(await found.arrayBuffer()))
    } else if (file !== undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(ours.content)
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument(ours)))
    }
  }

  function packument({ manifest, content }: { manifest: PackedManifest; content: Buffer }): object {
    const { name, version } = manifest
    const dist = {
      tarball: `${url}/${name}/-/${name.replace(/^.*\//, '')}-${version}.tgz`,
      integrity: `sha512-${createHash('sha512').update(content).digest('base64')}`,
      shasum: createHash('sha1').update(content).digest('hex'),
    }
    const published = '2020-01-01T00:00:00.000Z'
    return {
      name,
      'dist-tags': { latest: version },
      versions: { [version]: { ...manifest, dist } },
      time: { created: published, modified: published, [version]: published },
    }
  }

  return {
    url,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
