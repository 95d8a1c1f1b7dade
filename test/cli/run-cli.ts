import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'

const CLI = fileURLToPath(new URL('../../packages/cli/dist/cli.js', import.meta.url))
export const FIXTURES = fileURLToPath(new URL('fixtures', import.meta.url))
export const GOLDENS = fileURLToPath(new URL('../golden/pylate', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  cwd?: string
  input?: string | Uint8Array
  env?: Record<string, string>
  /** Ctrl-C (or another signal), once standard error says this; the command stands still while `meanwhile` runs. */
  interrupt?: { whenStderr: RegExp; signal?: NodeJS.Signals; meanwhile?: () => Promise<void> }
  /** As a user who may not read everything, where the tests run as root. */
  unprivileged?: boolean
}

const isRoot = process.getuid?.() === 0
const NOBODY = { uid: 65534, gid: 65534 }

/** Whether `unprivileged` runs are possible here: not where root's own folders hold the packages. */
export function canRunUnprivileged(): boolean {
  if (process.platform === 'win32') return false
  if (!isRoot) return true
  const read = `require('node:fs').accessSync(${JSON.stringify(CLI)})`
  return spawnSync(process.execPath, ['-e', read], NOBODY).status === 0
}

/** Gives a folder to the user of `unprivileged` runs. */
export function giveAway(folder: string): void {
  if (isRoot) execFileSync('chown', ['-R', `${NOBODY.uid}:${NOBODY.gid}`, folder])
}

/** Runs the built `serotine` as a user's shell does. */
export function serotine(
  args: readonly string[],
  { cwd, input, env, interrupt, unprivileged }: RunOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd,
      env: { ...inherited, ...env },
      ...(unprivileged && isRoot && NOBODY),
    })
    let [stdout, stderr] = ['', '']
    let interrupted = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      if (interrupted || !interrupt?.whenStderr.test(stderr)) return
      interrupted = true
      child.kill('SIGSTOP')
      void Promise.resolve(interrupt.meanwhile?.()).then(() => {
        child.kill(interrupt.signal ?? 'SIGINT')
        child.kill('SIGCONT')
      }, reject)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    child.stdin.on('error', () => {})
    child.stdin.end(input ?? '')
  })
}

/** A folder of its own for a test file, with copies of the fixtures named; removed at the end. */
export function workFolder(...fixtures: string[]): { readonly path: string } {
  const folder = { path: '' }
  beforeAll(async () => {
    folder.path = await mkdtemp(join(tmpdir(), 'serotine-cli-'))
    for (const name of fixtures) await cp(join(FIXTURES, name), join(folder.path, name), { recursive: true })
  })
  afterAll(() => rm(folder.path, { recursive: true, force: true }))
  return folder
}
