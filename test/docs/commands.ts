import type { Block } from './pages.js'

/** One command of a `sh` block. */
export interface Command {
  readonly page: string
  readonly line: number
  readonly words: readonly string[]
  /** `> file`: where its output goes. */
  readonly output: string | undefined
  /** The block that shows what it prints, for the last command of a block. */
  readonly prints: string | undefined
  readonly json: string | undefined
}

/** The commands of a page's `sh` blocks, in order. Understands quotes, `#`, `&&`, `>` and lines that go on after `\`. */
export function commandsOf(blocks: readonly Block[]): Command[] {
  return blocks.flatMap(({ page, line, language, code, prints }, i) => {
    if (language !== 'sh') return []
    const next = blocks[i + 1]
    const json = next?.language === 'json' ? next.code : undefined
    const commands = code.replaceAll('\\\n', ' ').split('\n').flatMap(split)
    return commands.map((words, n) => {
      const arrow = words.indexOf('>')
      const isLast = n === commands.length - 1
      return {
        page,
        line,
        words: arrow < 0 ? words : words.slice(0, arrow),
        output: arrow < 0 ? undefined : words[arrow + 1],
        prints: isLast ? prints : undefined,
        json: isLast ? json : undefined,
      }
    })
  })
}

/** The words of each command on a line. */
function split(line: string): string[][] {
  const commands: string[][] = [[]]
  for (const [token, double, single] of line.matchAll(/"([^"]*)"|'([^']*)'|#.*|[^\s"'#]\S*/g)) {
    if (token.startsWith('#')) break
    if (token === '&&') commands.push([])
    else commands.at(-1)!.push(double ?? single ?? token)
  }
  return commands.filter((words) => words.length > 0)
}
