// The packages as they would be published: packed by the pinned pnpm, read back from the tarballs.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { list } from 'tar'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface PackedManifest {
  name: string
  version: string
  license: string
  author: string
  homepage: string
  bugs: { url: string }
  repository: { type: string; url: string; directory: string }
  engines: { node: string }
  scripts?: Record<string, string>
  sideEffects?: boolean | string[]
  main?: string
  module?: string
  types?: string
  bin?: Record<string, string>
  exports: Record<string, string | Record<string, string | Record<string, string>>>
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

export interface Packed {
  readonly tarball: string
  /** Bytes of the tarball. */
  readonly size: number
  /** What is in it, by its path in the package. */
  readonly files: ReadonlyMap<string, Buffer>
  readonly manifest: PackedManifest
}

/** The native runtime of this machine, a folder of packages/; nothing where there is none. */
export const ownRuntime = `runtime-${process.platform}-${process.arch}`
const isForeign = (folder: string) => folder.startsWith('runtime-') && folder !== ownRuntime

/** Manifests of the runtimes of other platforms: registries must know them, nobody here downloads them. */
export function foreignRuntimes(): PackedManifest[] {
  return readdirSync(join(root, 'packages'))
    .filter(isForeign)
    .map((name) => JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as PackedManifest)
}

/** Packs the folders of packages/ into `target`, without the runtimes of other platforms. Keys are names of folders. */
export function packAll(target: string): Map<string, Packed> {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { packageManager: string }
  const filters = readdirSync(join(root, 'packages'))
    .filter((name) => !isForeign(name))
    .flatMap((name) => ['--filter', `./packages/${name}`])
  execFileSync('npx', ['--yes', packageManager, '-r', ...filters, 'pack', '--pack-destination', target], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  })
  const packed = new Map<string, Packed>()
  for (const name of readdirSync(target).filter((file) => file.endsWith('.tgz'))) {
    const tarball = join(target, name)
    const files = readTarball(tarball)
    const manifest = JSON.parse(files.get('package.json')!.toString()) as PackedManifest
    packed.set(manifest.repository.directory.replace('packages/', ''), {
      tarball,
      size: readFileSync(tarball).length,
      files,
      manifest,
    })
  }
  return packed
}

/** The system's `tar` is another program on each platform. */
function readTarball(file: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  list({
    file,
    sync: true,
    onReadEntry(entry) {
      const chunks: Buffer[] = []
      entry.on('data', (chunk) => chunks.push(chunk))
      entry.on('end', () => files.set(entry.path.replace(/^package\//, ''), Buffer.concat(chunks)))
    },
  })
  return files
}
