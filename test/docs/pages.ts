import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A fenced block of a page, with what an HTML comment right above it says to the tests. */
export interface Block {
  readonly page: string
  /** Line of the opening fence, from 1. */
  readonly line: number
  /** `ts`, `js`, `sh`, `json`, `text`, or '' for a drawing. */
  readonly language: string
  readonly code: string
  /** From `<!-- before this block: … -->`: code the fragment needs and the reader need not see. */
  readonly setUp: string
  /** The `text` block that follows: what the block prints. */
  readonly prints: string | undefined
}

/** Every page a user or contributor reads, as paths from the root of the repository. */
export function pages(): string[] {
  const below = (folder: string, file: (name: string) => string): string[] =>
    readdirSync(join(ROOT, folder), { withFileTypes: true })
      .map(({ name }) => `${folder}/${file(name)}`)
      .sort()
  return [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    ...docsPages(),
    ...below('packages', (name) => `${name}/README.md`),
    ...below('examples', (name) => `${name}/README.md`),
  ]
}

/** The pages of the site, but for the reference, which is made of the sources. */
export function docsPages(): string[] {
  // The test of the site writes and removes these meanwhile: they are not looked into.
  const below = (folder: string): string[] =>
    readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`
      if (!entry.isDirectory()) return path.endsWith('.md') ? [path] : []
      return ['docs/reference', 'docs/.vitepress'].includes(path) ? [] : below(path)
    })
  return below('docs').sort()
}

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

/** The fenced blocks of a page, in order; `text` blocks belong to the one before when nothing stands between. */
export function blocksOf(page: string, text = readPage(page)): Block[] {
  const lines = text.split('\n')
  const blocks: Block[] = []
  let [endOfLast, comment, commentEnd] = [-1, '', -1]
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.startsWith('<!--')) {
      const start = i
      while (!lines[i]!.endsWith('-->')) i++
      comment = lines.slice(start, i + 1).join('\n')
      commentEnd = i
      continue
    }
    const fence = /^```(\w*)$/.exec(lines[i]!)
    if (!fence) continue
    const end = lines.indexOf('```', i + 1)
    if (end < 0) throw new Error(`${page}:${i + 1}: the block is not closed.`)
    const code = lines
      .slice(i + 1, end)
      .map((line) => `${line}\n`)
      .join('')
    const language = fence[1]!
    const above = commentEnd === i - 1 ? comment : ''
    const last = blocks.at(-1)
    const onlyBlanksBetween = lines.slice(endOfLast + 1, i).every((line) => line === '')
    if (language === 'text' && last && onlyBlanksBetween) blocks.splice(-1, 1, { ...last, prints: code })
    else {
      blocks.push({
        page,
        line: i + 1,
        language,
        code,
        setUp: /^<!-- before this block:\n([\s\S]*)-->$/.exec(above)?.[1] ?? '',
        prints: undefined,
      })
    }
    endOfLast = i = end
  }
  return blocks
}
