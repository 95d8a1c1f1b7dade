/**
 * Appends the cells of a line to those read so far, as Python's csv module reads tab-separated values (QUOTE_MINIMAL), which is
 * what BEIR reads and writes judgments with: a cell that begins with a quote lasts until the closing one, over tabs and lines;
 * two quotes in it are one; elsewhere a quote is a character like others.
 *
 * Not a package: those that were looked at refuse, or keep, quotes that Python drops (`"a"b` is `ab`).
 *
 * @param open the cells of a record whose quote the line before left open
 */
export function readCells(line: string, open?: readonly string[]): { cells: string[]; isOpen: boolean } {
  const cells = open ? [...open] : []
  let cell = open ? `${cells.pop()}\n` : ''
  let quoted = open !== undefined
  let begins = open === undefined
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!
    if (quoted) {
      if (character !== '"') cell += character
      else if (line[i + 1] === '"') cell += line[i++]
      else quoted = false
    } else if (character === '\t') {
      cells.push(cell)
      cell = ''
      begins = true
      continue
    } else if (begins && character === '"') quoted = true
    else cell += character
    begins = false
  }
  cells.push(cell)
  return { cells, isOpen: quoted }
}

/**
 * Cells between blanks, as trec_eval splits them. Only ASCII's: a no-break space may be part of an id.
 */
export function splitAtBlanks(line: string): string[] {
  return line.split(/[ \t\v\f\r]+/).filter((cell) => cell !== '')
}
