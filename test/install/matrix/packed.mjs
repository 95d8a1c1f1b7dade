// The packages as users get them: packed, and installed from those files into empty folders.
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Packs core, the embedded model and this platform's runtime into `folder`; name → tarball. */
export async function pack(folder) {
  const { packageManager } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const packed = {}
  for (const name of ['core', 'model-micro', `runtime-${process.platform}-${process.arch}`]) {
    const cwd = join(root, 'packages', name)
    const args = ['--yes', packageManager, 'pack', '--json', '--pack-destination', folder]
    const { stdout } = await execute('npx', args, { cwd, shell: process.platform === 'win32' })
    const { name: packageName, filename } = JSON.parse(stdout.slice(stdout.indexOf('{')))
    packed[packageName] = filename
  }
  return packed
}

/** Installs the packed core and `packages` (name → version) into a new folder, with npm. */
export async function install(folder, packed, packages) {
  const { '@serotine/core': core, ...others } = packed
  const manifest = {
    private: true,
    dependencies: { '@serotine/core': `file:${core}`, ...packages },
    overrides: Object.fromEntries(Object.entries(others).map(([name, file]) => [name, `file:${file}`])),
  }
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  const started = performance.now()
  await execute('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    shell: process.platform === 'win32',
    maxBuffer: 1 << 26,
  })
  return { seconds: (performance.now() - started) / 1000, bytes: await sizeOf(join(folder, 'node_modules')) }
}

export async function sizeOf(folder) {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
