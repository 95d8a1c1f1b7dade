import { spawn } from 'node:child_process'
import { getUserAgent, resolveCommand } from 'package-manager-detector'
import { Failure } from './failure.js'

export const PACKAGE_MANAGERS = ['npm', 'pnpm', 'yarn', 'bun'] as const
export type PackageManager = (typeof PACKAGE_MANAGERS)[number]

/** The one that started this process, by the `npm_config_user_agent` that all of them set; npm where none did. */
export function startedBy(): PackageManager {
  const name = getUserAgent()
  return PACKAGE_MANAGERS.find((known) => known === name) ?? 'npm'
}

/** Program and arguments. */
export type Command = readonly [string, ...string[]]

export function installCommand(manager: PackageManager): Command {
  return [manager, 'install']
}

export function runCommand(manager: PackageManager, script: string): Command {
  const { command, args } = resolveCommand(manager, 'run', [script])!
  return [command, ...args]
}

/**
 * Runs a command in a folder, with this process's terminal.
 *
 * @throws Failure when it cannot be started or ends with anything but 0
 */
export async function runIn(folder: string, [program, ...args]: Command): Promise<void> {
  const shown = [program, ...args].join(' ')
  const child = spawn(program, args, {
    cwd: folder,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    // A template may use a package whose ONNX Runtime would fetch CUDA files when installed; nothing of ours needs them.
    env: { ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip', ...process.env },
  })
  const code = await new Promise<number | string>((done, fail) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      fail(
        new Failure(
          error.code === 'ENOENT'
            ? `${program} is not installed, or not on the path. Name another with --package-manager ${PACKAGE_MANAGERS.join('|')}.`
            : `${shown} cannot be started: ${error.message}.`,
          { cause: error },
        ),
      ),
    )
    child.on('close', (status, signal) => done(status ?? signal ?? 1))
  })
  if (code !== 0) throw new Failure(`"${shown}" ended with ${code}; what it said is above.`)
}
