// Links between the pages, as GitHub and the site follow them: the file is there, and the heading, too.
import { existsSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GROUPS } from '../../docs/.vitepress/pages.js'
import { githubSlug } from '../../scripts/github-slug.mjs'
import { docsPages, pages, readPage, ROOT } from './pages.js'

const prose = (text: string): string => text.replace(/^```[\s\S]*?^```$|^<!--[\s\S]*?-->$/gm, '')

function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading] of prose(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = githubSlug(heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, ''))
    let [unique, n] = [slug, 0]
    while (anchors.has(unique)) unique = `${slug}-${++n}`
    anchors.add(unique)
  }
  return anchors
}

/** What is wrong with the links of a page. */
function brokenLinks(page: string, text: string): string[] {
  const links = Array.from(prose(text).matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link!)
  return links.flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return []
    const [path, anchor] = link.split('#')
    const target = path === '' ? page : normalize(join(dirname(page), decodeURI(path!))).replaceAll('\\', '/')
    if (target.startsWith('docs/reference/')) return []
    if (path !== '' && !existsSync(join(ROOT, target))) return [`${link}: there is no ${target}`]
    if (anchor === undefined) return []
    const file = path !== '' && statSync(join(ROOT, target)).isDirectory() ? `${target}/README.md` : target
    const there = file.endsWith('.md') && anchorsOf(path === '' ? text : readPage(file)).has(anchor)
    return there ? [] : [`${link}: ${file} has no heading for it`]
  })
}

describe('links', () => {
  it.each(pages())('of %s lead somewhere', (page) => {
    expect(brokenLinks(page, readPage(page))).toEqual([])
  })

  it('that are broken are found', () => {
    const text =
      '# A\n[a](nothing.md) [b](cli.md#nowhere) [c](#a) [d](#b) [e](../README.md)\n```ts\n[f](nothing.md)\n```\n'
    expect(brokenLinks('docs/a.md', text)).toEqual([
      'nothing.md: there is no docs/nothing.md',
      'cli.md#nowhere: docs/cli.md has no heading for it',
      '#b: docs/a.md has no heading for it',
    ])
  })
})

describe('the menus of the site', () => {
  it('have each page once', () => {
    const inMenus = GROUPS.flatMap(({ entries }) => entries.map(([page]) => `docs/${page}.md`))
    // docs/.vitepress/pages.ts is where a new page is put into a group.
    expect(inMenus.sort()).toEqual(docsPages().filter((page) => page !== 'docs/index.md'))
  })
})
