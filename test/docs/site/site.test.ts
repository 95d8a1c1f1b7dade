// The site as a visitor meets it: built, its links followed, and looked at in a browser.
import { ColBERT } from '@serotine/core'
import axe from 'axe-core'
import type { AxeResults } from 'axe-core'
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, launchChromium } from '../../support/chromium.js'
import { openPage } from '../../server/page/open-page.js'
import example from '../../../docs/.vitepress/theme/example.json' with { type: 'json' }
import entries from '../../../docs/.vitepress/entries.json' with { type: 'json' }
import { docsPages, ROOT } from '../pages.js'
import { buildSite } from './built-site.js'
import type { BuiltSite } from './built-site.js'

let site: BuiltSite
const htmlOf = (page: string) => readFileSync(join(site.folder, page), 'utf8')
beforeAll(async () => {
  site = await buildSite()
}, 240_000)
afterAll(() => site?.close())

/** What axe finds, with the first place of each. */
async function axeProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`,
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 200)}`)
}

/** The page's program runs: keys and buttons do something. */
const RUNS = 'document.querySelector("#app")?.__vue_app__'

describe('the built site', () => {
  it('has each page of docs/ and the reference of each package', () => {
    const expected = docsPages().map((page) => page.replace(/^docs\/(.*)\.md$/, '$1.html'))
    expect(site.pages).toEqual(expect.arrayContaining(expected))
    expect(site.pages).toEqual(expect.arrayContaining(['reference/@serotine/core.html', 'reference/serotine.html']))
  })

  it('has a reference for each entry of the packages', () => {
    const imported = readdirSync(join(ROOT, 'packages')).flatMap((folder) => {
      const file = join(ROOT, 'packages', folder, 'package.json')
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as { name: string; exports?: Record<string, unknown> }
      // Files, and packages that are nothing but files, have nothing to describe.
      const typed = Object.entries(manifest.exports ?? {}).filter(([, to]) => JSON.stringify(to).includes('.d.cts'))
      return /runtime-|model-/.test(folder) ? [] : typed.map(([entry]) => `${manifest.name}${entry.slice(1)}`)
    })
    expect(Object.keys(entries).sort()).toEqual(imported.sort())
  })

  it('says of each page what it is, and of no two the same', () => {
    const said = site.pages.map((page) => ({
      page,
      title: /<title>([^<]+)<\/title>/.exec(htmlOf(page))?.[1] ?? '',
      description: /<meta name="description" content="([^"]+)">/.exec(htmlOf(page))?.[1] ?? '',
    }))
    for (const { page, title, description } of said) {
      expect(title, page).toMatch(/\S/)
      expect(description.length, `${page}: ${description}`).toBeGreaterThan(20)
      expect(description.length, `${page}: ${description}`).toBeLessThan(400)
    }
    for (const what of ['title', 'description'] as const) {
      expect(new Set(said.map((page) => page[what])).size, what).toBe(said.length)
    }
  })

  it('has no link to a page, file or heading that is not there', () => {
    const ids = new Map(
      site.pages.map((page) => [page, new Set(Array.from(htmlOf(page).matchAll(/\sid="([^"]+)"/g), ([, id]) => id!))]),
    )
    const broken: string[] = []
    for (const page of site.pages) {
      for (const [, href] of htmlOf(page).matchAll(/<a\s[^>]*?href="([^"]*)"/g)) {
        if (/^[a-z]+:/.test(href!)) continue
        const [path, anchor] = decodeURI(href!.replaceAll('&amp;', '&')).split('#')
        const bare =
          path === '' ? page : posix.join(path!.startsWith('/') ? '' : posix.dirname(page), path!).replace(/^\//, '')
        const target = bare === '' || bare.endsWith('/') ? `${bare}index.html` : bare
        if (!ids.has(target)) broken.push(`${page}: ${href}`)
        else if (anchor && !ids.get(target)!.has(anchor)) broken.push(`${page}: ${href}, no such heading`)
      }
    }
    expect(broken).toEqual([])
  })
})

it('the example of the first page is what the model says', async () => {
  const model = await ColBERT.load()
  const { question, text, matches } = example
  const explained = (await model.explain(question, text)).map(({ queryToken, start, end, similarity }) => ({
    asked: queryToken,
    found: text.slice(start, end),
    similarity: Number(similarity.toFixed(2)),
  }))
  expect(explained).toEqual(expect.arrayContaining(matches))
  await model.close()
})

describe.skipIf(chromiumPath === undefined)('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  it('the search lights what answers a question, and works by words until the model is there', async () => {
    const { page, faults, close } = await openPage(browser, site.url)
    await page.waitForFunction(RUNS)
    await page.keyboard.press('/')
    const dialog = page.getByRole('dialog', { name: 'Search the documentation' })
    await dialog.getByRole('searchbox').fill('CENTROIDS_UNSUITABLE')
    // As soon as the passages are there, long before the model.
    await dialog.getByRole('link', { name: /Troubleshooting › Warnings/ }).waitFor()
    await dialog.getByRole('searchbox').fill('why is the end of a text never found')
    await dialog.getByText(/compared with \d+ passages/).waitFor({ timeout: 90_000 })
    await dialog.locator('mark').first().waitFor()
    const first = dialog.getByRole('link').first()
    expect(await first.locator('strong').textContent()).toMatch(/LangChain|Chunking/)
    expect(await first.locator('mark').allTextContents()).toEqual(expect.arrayContaining(['never', 'found']))
    expect(await axeProblems(page)).toEqual([])
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL(/(langchain|chunking)\.html/)
    expect(await dialog.isVisible()).toBe(false)
    expect(faults).toEqual([])
    await close()
  }, 150_000)

  it('the search of a browser that saves data loads the model when it is asked to', async () => {
    const { page, faults, close } = await openPage(browser, site.url)
    await page.addInitScript(`Object.defineProperty(navigator, 'connection', { value: { saveData: true } })`)
    await page.reload()
    await page.waitForFunction(RUNS)
    await page.getByRole('button', { name: 'Search', exact: true }).click()
    await page.getByRole('searchbox').fill('chunking')
    await page.getByRole('dialog').getByRole('link').first().waitFor()
    await page.getByRole('button', { name: /^Load the model \(\d+\.\d MB\)$/ }).waitFor()
    expect(await page.getByRole('dialog').locator('mark').count()).toBe(0)
    expect(faults).toEqual([])
    await close()
  })

  it.each([
    ['index.html', 'light', 1280],
    ['index.html', 'dark', 390],
    ['packages.html', 'dark', 390],
    ['reference/@serotine/ai-sdk.html', 'light', 1280],
  ] as const)('%s is well in %s, %i wide', async (page, colorScheme, width) => {
    const viewport = { width, height: 820 }
    const opened = await openPage(browser, site.url, { hash: page, colorScheme, viewport })
    await opened.page.waitForFunction(RUNS)
    const sideways = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
    expect(await opened.page.evaluate(sideways)).toBe(0)
    expect(await axeProblems(opened.page)).toEqual([])
    expect(opened.faults).toEqual([])
    await opened.close()
  })
})
