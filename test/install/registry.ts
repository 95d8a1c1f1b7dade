// A package registry on this machine: our packages as they were packed, all others as npm's own registry has them.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'

export interface Registry {
  readonly url: string
  close(): void
}

interface Manifest {
  readonly name: string
  readonly version: string
}
interface Packed {
  readonly manifest: Manifest
  readonly file: string
  readonly tarball: Buffer
}

/**
 * Serves packed tarballs, as published long ago, so that clients which wait for a release to age take them.
 *
 * @param listed manifests of packages that nobody here will download: those of other platforms
 */
export async function serveRegistry(tarballs: readonly string[], listed: readonly Manifest[] = []): Promise<Registry> {
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
    .trim()
    .replace(/\/$/, '')
  const packed = new Map<string, Packed>([
    ...listed.map((manifest) => [manifest.name, { manifest, file: 'absent.tgz', tarball: Buffer.alloc(0) }] as const),
    ...tarballs.map((file) => {
      const manifest = JSON.parse(
        execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' }),
      ) as Manifest
      return [manifest.name, { manifest, file: basename(file), tarball: readFileSync(file) }] as const
    }),
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
    const ours = packed.get(name!)
    if (!ours) {
      const found = await fetch(upstream + path, { headers: { accept: 'application/json' } })
      response.writeHead(found.status, { 'content-type': found.headers.get('content-type') ?? 'application/json' })
      response.end(Buffer.from(await found.arrayBuffer()))
    } else if (file !== undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(ours.tarball)
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument(ours)))
    }
  }

  function packument({ manifest, file, tarball }: Packed): object {
    const { name, version } = manifest
    const dist = {
      tarball: `${url}/${name}/-/${file}`,
      integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
      shasum: createHash('sha1').update(tarball).digest('hex'),
    }
    const published = '2020-01-01T00:00:00.000Z'
    return {
      name,
      'dist-tags': { latest: version },
      versions: { [version]: { ...manifest, dist } },
      time: { created: published, modified: published, [version]: published },
    }
  }

  return { url, close: () => void server.close() }
}
