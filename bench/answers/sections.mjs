// Which passages of a folder lie in sections that answer a question.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * @param questions `{ sections: ['<path>#<heading line>'] }`; a section ends at the next heading
 * @param passages `{ id, path, from, to }`, lines from 1
 * @returns for each question the ids of passages that overlap one of its sections by at least half of the passage, or hold all of one
 */
export async function rightPassages(folder, questions, passages) {
  const known = new Map()
  const linesOf = async (path) => {
    if (!known.has(path)) known.set(path, (await readFile(join(folder, path), 'utf8')).split('\n'))
    return known.get(path)
  }
  const right = []
  for (const { question, sections } of questions) {
    const ids = new Set()
    for (const section of sections) {
      const at = section.indexOf('#')
      const [path, heading] = [section.slice(0, at), section.slice(at + 1)]
      const range = sectionOf(await linesOf(path), heading)
      if (range === undefined) throw new Error(`${path} has no heading ${heading}, which is to answer: ${question}`)
      for (const passage of passages) if (passage.path === path && isIn(passage, range)) ids.add(passage.id)
    }
    if (ids.size === 0) throw new Error(`No passage lies in a section that answers: ${question}`)
    right.push(ids)
  }
  return right
}

function isIn({ from, to }, range) {
  const shared = Math.min(to, range.to) - Math.max(from, range.from) + 1
  return shared > 0 && (2 * shared >= to - from + 1 || shared >= range.to - range.from + 1)
}

/** Lines of a section, from 1; headings are not looked for in code. */
function sectionOf(lines, heading) {
  const headings = []
  let isCode = false
  for (const [i, line] of lines.entries()) {
    if (/^\s*(```|~~~)/.test(line)) isCode = !isCode
    else if (!isCode && /^#{1,6} /.test(line)) headings.push(i + 1)
  }
  const at = headings.findIndex((line) => lines[line - 1].trim() === heading)
  return at < 0 ? undefined : { from: headings[at], to: (headings[at + 1] ?? lines.length + 1) - 1 }
}
