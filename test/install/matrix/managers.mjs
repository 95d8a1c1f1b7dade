// Each package manager installs the packed packages: the test that does it, with its measurements kept and more of them tried.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const { status } = spawnSync('npx', ['vitest', 'run', 'test/install/managers.test.ts'], {
  cwd: root,
  stdio: 'inherit',
  shell: process.platform === 'win32',
  env: { ...process.env, SEROTINE_INSTALL_RESULT: 'bench/results/install-managers.json' },
})
process.exit(status ?? 1)
