import type { Colors } from './terminal.js'

/** Rows as aligned columns, the first to the left and the others to the right, under a dim head line. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[], colors: Colors): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('   ')
      .trimEnd()
  return [colors.dim(line(head)), ...rows.map(line)].map((text) => `${text}\n`).join('')
}

/** Names and values, one pair a line, the names dim and aligned. */
export function formatPairs(
  pairs: readonly (readonly [name: string, value: string])[],
  colors: Colors,
  indent = '',
): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${indent}${colors.dim(name.padEnd(width))}  ${value}\n`).join('')
}
