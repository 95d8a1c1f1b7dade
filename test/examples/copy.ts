import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Copies what a person copies: not what was installed, nor the index of an earlier run. */
export function copyExample(name: string, target: string): void {
  cpSync(join(root, 'examples', name), target, {
    recursive: true,
    filter: (path) => !/[\\/](node_modules|\.index)$/.test(path),
  })
}
