// Makes a fresh clone ready to run: installs with the pinned pnpm and builds the packages.
// Does nothing when neither the lockfile nor a source file has changed since the last time.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Serotine needs Node 20.19 or later; this is ${process.versions.node}.`)
  process.exit(1)
}

const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folders = (parent) =>
  existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => join(parent, name)) : []
const manifests = ['.', ...folders('packages'), ...folders('examples')].map((folder) => join(folder, 'package.json'))

function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.name === 'node_modules') return []
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

function digest(paths) {
  const hash = createHash('sha256')
  for (const path of [...paths].sort()) {
    if (existsSync(join(root, path))) hash.update(path).update(readFileSync(join(root, path)))
  }
  return hash.digest('hex')
}

function run(title, args) {
  console.error(`setup: ${title}`)
  const result = spawnSync('npx', ['--yes', packageManager, ...args], {
    cwd: root,
    // Its output goes to stderr: stdout belongs to the command that asked for the set-up.
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
    // ONNX Runtime's CPU library is in its package; its install script would fetch CUDA files.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip' },
  })
  if (result.status !== 0) {
    console.error(`setup: "${packageManager} ${args.join(' ')}" failed. Its output is above.`)
    process.exit(result.status ?? 1)
  }
}

/** Runs `work` unless its stamp says that it ran on the same input. */
function unlessDone(name, input, work) {
  const stamp = join(root, 'node_modules', `.serotine-${name}`)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === input) return
  work()
  writeFileSync(stamp, input)
}

const installed = digest([...manifests, 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
unlessDone('installed', installed, () =>
  run('installing packages (once; hnswlib-node compiles if there is a compiler, and is left out if not)', [
    'install',
    '--frozen-lockfile',
    '--reporter=append-only',
  ]),
)
const sources = folders('packages').flatMap((folder) => [
  ...filesBelow(join(folder, 'src')),
  join(folder, 'tsdown.config.ts'),
  join(folder, 'tsconfig.json'),
])
const others = [
  'packages/server/page.plugin.ts',
  'packages/create-serotine/pack-templates.mjs',
  'packages/create-serotine/templates.json',
  'tsconfig.base.json',
  'scripts/build-runtime.mjs',
  // Templates are packed.
  ...folders('examples').flatMap(filesBelow),
]
unlessDone('built', digest([...sources, ...others]) + installed, () =>
  run('building packages', ['-r', '--filter', './packages/*', 'run', 'build']),
)
