// Files that are chosen or dropped become documents.
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, launchChromium } from '../../support/chromium.js'
import { closeModel, openLibrary } from './library.js'
import type { Library } from './library.js'
import { askPage, openPage, titles } from './open-page.js'

const OWL = { name: 'owls.txt', mimeType: 'text/plain', buffer: Buffer.from('The barn owl hears mice under the snow.') }

describe.skipIf(chromiumPath === undefined)('files', () => {
  let browser: Browser
  let library: Library | undefined
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterEach(async () => {
    await library?.close()
    library = undefined
  })
  afterAll(async () => {
    await browser?.close()
    await closeModel()
  })

  it('are added, replaced and found', async () => {
    library = await openLibrary({ writable: true })
    const { page, faults, close } = await openPage(browser, library.url)
    await page.locator('#files').setInputFiles(OWL)
    const sent = page.locator('.sent li')
    await sent.filter({ hasText: 'owls.txt: 1 document added' }).waitFor()
    await page.locator('#summary').getByText('41 documents').waitFor()
    await askPage(page, 'Which bird hears mice?')
    expect((await titles(page))[0]).toBe('upload:owls.txt')
    await page.locator('#files').setInputFiles(OWL)
    await sent.filter({ hasText: 'owls.txt: nothing new, 1 document' }).waitFor()
    await page.locator('#files').setInputFiles({ ...OWL, buffer: Buffer.from('The eagle owl hoots.') })
    await expect.poll(async () => (await library!.index.get('upload:owls.txt'))?.text).toBe('The eagle owl hoots.')
    expect(await library.index.count()).toBe(41)
    expect(faults).toEqual([])
    await close()
  })

  it('may be dropped anywhere, several at once', async () => {
    library = await openLibrary({ writable: true }, [])
    const { page, faults, close } = await openPage(browser, library.url)
    await page.getByText('Drop a file here to begin.').waitFor()
    const dropped = await page.evaluateHandle(`{
      const files = new DataTransfer()
      for (const name of ['a.md', 'b.md']) files.items.add(new File(['# ' + name + '\\n\\nA kiwi cannot fly.'], name))
      files
    }`)
    await page.dispatchEvent('main', 'dragover', { dataTransfer: dropped })
    expect(await page.locator('body.dropping').count()).toBe(1)
    await page.dispatchEvent('main', 'drop', { dataTransfer: dropped })
    await page.locator('.sent li', { hasText: 'b.md: 1 document added' }).waitFor()
    expect(await library.index.ids()).toEqual(['upload:a.md', 'upload:b.md'])
    await page.locator('#summary').getByText('2 documents').waitFor()
    expect(faults).toEqual([])
    await close()
  })

  it('that cannot be added say why', async () => {
    library = await openLibrary({ writable: true, limits: { bodyBytes: 20_000 } })
    const { page, close } = await openPage(browser, library.url)
    const choose = (name: string, buffer: Buffer) =>
      page.locator('#files').setInputFiles({ name, mimeType: 'application/octet-stream', buffer })
    const sent = page.locator('.sent li.failed')
    await choose('picture.png', Buffer.from([0x89, 0x50, 0, 0, 0xff]))
    await sent.filter({ hasText: 'picture.png is not text in UTF-8.' }).waitFor()
    await choose('empty.txt', Buffer.alloc(0))
    await sent.filter({ hasText: 'empty.txt: the file is empty' }).waitFor()
    await choose('large.txt', Buffer.alloc(30_000, 97))
    await sent.filter({ hasText: 'large.txt: 30.0 kB is more than this server takes at once, 13.5 kB.' }).waitFor()
    expect(await library.index.count()).toBe(40)
    // Exactly what the page lets through, the server takes.
    await choose('fits.txt', Buffer.from('a b '.repeat(3_375)))
    await page.locator('.sent li.done', { hasText: 'fits.txt: 1 document added' }).waitFor()
    await close()
  })

  it('are split by the server that has a reader, whose errors are shown', async () => {
    library = await openLibrary({
      writable: true,
      readFile: async ({ name, source, bytes }) => {
        if (name === 'broken.md') throw new Error('/srv/secret')
        const parts = Buffer.from(bytes).toString().split('\n')
        return parts.map((text, i) => ({ id: `${source}#${i + 1}`, text, metadata: { source } }))
      },
    })
    const { page, close } = await openPage(browser, library.url)
    await page.locator('#files').setInputFiles({ ...OWL, name: 'o.md', buffer: Buffer.from('one\ntwo\nthree') })
    await page.locator('.sent li', { hasText: 'o.md: 3 passages added' }).waitFor()
    await page.locator('#files').setInputFiles({ ...OWL, name: 'o.md', buffer: Buffer.from('one\nfour') })
    await page.locator('.sent li', { hasText: 'o.md: 2 passages added, 1 older one gone' }).waitFor()
    expect((await library.index.get('upload:o.md#2'))?.text).toBe('four')
    await page.locator('#files').setInputFiles({ ...OWL, name: 'broken.md' })
    const failed = page.locator('.sent li.failed')
    await failed.filter({ hasText: 'broken.md: The server failed.' }).waitFor()
    expect((await failed.allTextContents()).join()).not.toContain('secret')
    await close()
  })

  it('are not taken where the server only reads: the page says how it would', async () => {
    library = await openLibrary()
    const { page, faults, close } = await openPage(browser, library.url)
    await page.getByText('This server only reads. To add files, start it with serotine serve --writable.').waitFor()
    expect(await page.locator('#files').count()).toBe(0)
    const dropped = await page.evaluateHandle(`{
      const files = new DataTransfer()
      files.items.add(new File(['a'], 'a.md'))
      files
    }`)
    await page.dispatchEvent('main', 'drop', { dataTransfer: dropped })
    expect(page.url()).toBe(`${library.url}/`)
    expect(await library.index.count()).toBe(40)
    expect(faults).toEqual([])
    await close()
  })
})
