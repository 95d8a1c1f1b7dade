import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The first program of a page that is followed by its output: what the page says it prints, and what it prints.
 *
 * @param page path from the root of the repository
 */
export function documentedProgram(page: string): { says: string; prints: string } {
  const text = readFileSync(`${root}/${page}`, 'utf8')
  const [, program, says] = /```js\n([\s\S]*?)```\n+```text\n([\s\S]*?)```/.exec(text) ?? []
  if (!program || !says) throw new Error(`${page} has no \`\`\`js block followed by a \`\`\`text block.`)
  const prints = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { says, prints }
}
