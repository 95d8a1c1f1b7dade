/**
 * What is searched of a memory: the texts at paths such as `title`, `author.name`, `notes[*].text`, `notes[-1]`; `$` for all that it says, a line for
 * each field.
 */
export function textOfMemory(value: unknown, paths: readonly string[]): string {
  return paths
    .flatMap((path) => (path === '$' || path === '' ? [linesOf(value)] : at(value, stepsOf(path)).map(linesOf)))
    .filter((text) => text.trim() !== '')
    .join('\n')
}

/** `a.b[*].c` → a, b, *, c. */
function stepsOf(path: string): string[] {
  return Array.from(path.matchAll(/\[([^\]]*)\]|[^.[]+/g), ([whole, inside]) => inside ?? whole)
}

function at(value: unknown, [step, ...rest]: readonly string[]): unknown[] {
  if (step === undefined) return [value]
  if (typeof value !== 'object' || value === null) return []
  if (step === '*') return Object.values(value).flatMap((item) => at(item, rest))
  if (Array.isArray(value)) return /^-?\d+$/.test(step) ? at(value.at(Number(step)), rest) : []
  return Object.hasOwn(value, step) ? at((value as Record<string, unknown>)[step], rest) : []
}

/** A value as lines that can be read: the names of fields say what their values are. */
function linesOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value !== 'object') return String(value)
  const named = !Array.isArray(value)
  return Object.entries(value)
    .map(([name, item]) => [name, linesOf(item)] as const)
    .filter(([, text]) => text !== '')
    .map(([name, text]) => (named ? `${name}: ${text}` : text))
    .join('\n')
}
