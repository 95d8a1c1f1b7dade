import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PageData } from 'vitepress'
import entries from './entries.json' with { type: 'json' }

/** What the site is, for search engines. */
export const ABOUT =
  'Late-interaction (ColBERT) retrieval for TypeScript: index a folder of texts and search it, in Node, offline, without Python.'

const MOST_CHARACTERS = 200

/** The first paragraph of a page as plain text, to the end of a sentence. */
export function firstParagraph(markdown: string): string {
  const body = markdown.replace(/^---\n[\s\S]*?\n---\n/, '').replace(/<!--[\s\S]*?-->|^```[\s\S]*?^```$/gm, '')
  const paragraph = body.split(/\n\s*\n/).find((part) => /^[\p{L}`*[“"'(]/u.test(part.trim())) ?? ''
  const text = paragraph
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  const sentences = text.match(/[^.!?:]+(?:[.!?:](?!\s|$)[^.!?:]*)*[.!?:]?\s*/g) ?? []
  let description = ''
  for (const sentence of sentences) {
    if (description && description.length + sentence.length > MOST_CHARACTERS) break
    description += sentence
  }
  return description.trim().replace(/:$/, '.')
}

/** Gives each page a description, and the first one its layout: in index.md GitHub would show it as a table. */
export function describePage(docs: string): (page: PageData) => Partial<PageData> {
  return ({ relativePath, frontmatter }) => {
    if (relativePath === 'index.md') {
      return {
        description: ABOUT,
        titleTemplate: ':title: ColBERT retrieval for TypeScript',
        frontmatter: { ...frontmatter, layout: 'first-page', sidebar: false },
      }
    }
    const entry = /^reference\/(?!index)(.+)\.md$/.exec(relativePath)?.[1] as keyof typeof entries | undefined
    if (entry && entries[entry]) return { description: `${entry}: ${entries[entry].about.replaceAll('`', '')}.` }
    return { description: firstParagraph(readFileSync(join(docs, relativePath), 'utf8')) }
  }
}
