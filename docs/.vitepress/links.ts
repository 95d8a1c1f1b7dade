import { posix, relative, resolve } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'

/** Pages link to sources and results as files of the repository. On the site these are on its host. */
export function leaveForRepository(md: MarkdownRenderer, docs: string, blob: string): void {
  md.core.ruler.push('leave-for-repository', ({ tokens, env }) => {
    const page = (env as { relativePath?: string }).relativePath ?? ''
    for (const token of tokens.flatMap((token) => token.children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null
      if (href === null || /^([a-z]+:|#|\/)/i.test(href)) continue
      const [path, hash = ''] = href.split(/(?=#)/)
      const fromDocs = relative(docs, resolve(docs, posix.dirname(page), decodeURI(path!))).replaceAll('\\', '/')
      if (fromDocs.startsWith('../')) token.attrSet('href', `${blob}/${fromDocs.slice(3)}${hash}`)
    }
  })
}

/** The first column of many tables has no heading: its place in the first row is a cell, not a heading of nothing. */
export function emptyHeadings(md: MarkdownRenderer): void {
  md.core.ruler.push('empty-headings', ({ tokens }) => {
    for (const [i, token] of tokens.entries()) {
      if (token.type !== 'th_open' || tokens[i + 1]!.content !== '') continue
      token.tag = tokens[i + 2]!.tag = 'td'
    }
  })
}
