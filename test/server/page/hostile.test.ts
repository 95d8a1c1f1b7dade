// What documents, ids, metadata, file names and addresses hold is text, whatever it looks like.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, launchChromium } from '../../support/chromium.js'
import { closeModel, openLibrary } from './library.js'
import type { Library } from './library.js'
import { askPage, openPage } from './open-page.js'

const SCRIPTS = [
  '<script>noteFault("ran: script")</script>',
  '<img src=x onerror="noteFault(\'ran: image\')">',
  '"><svg onload=noteFault("ran:svg")>',
  'javascript:noteFault("ran: url")',
  '</p></li></ol><iframe srcdoc="<script>parent.noteFault(1)</script>">',
  '{{constructor.constructor("noteFault(1)")()}}',
  '<form action="https://evil.example"><button>kiwi</button></form>',
]
const LONG_WORD = 'flightless'.repeat(2_000)
const DOCUMENTS = [
  ...SCRIPTS.map((script, i) => ({
    id: `${script}#${i}`,
    text: `A kiwi ${script} cannot fly. ${script}`,
    metadata: { title: script, source: script, [script.slice(0, 60)]: script, __proto__x: [script] },
  })),
  { id: 'word', text: `A kiwi ${LONG_WORD} cannot fly.`, metadata: { title: LONG_WORD, word: LONG_WORD } },
  { id: 'w'.repeat(1_000), text: 'A kiwi with a long name.', metadata: {} },
  { id: 'book', text: 'The kiwi is a bird that cannot fly. '.repeat(5_000), metadata: { title: 'A whole book' } },
  {
    id: 'rtl',
    text: 'طائر الكيوي لا يستطيع الطيران kiwi ويعيش في نيوزيلندا.',
    metadata: { title: 'طائر الكيوي', لغة: 'عربي' },
  },
  { id: 'override', text: 'A kiwi \u202e olleh \u2066 kiwi', metadata: { title: '\u202egnp.exe', a: '\u202eb' } },
  { id: 'emoji', text: '🥝🐦‍⬛👩🏽‍🚀 kiwi '.repeat(80), metadata: { title: '🥝'.repeat(300), mood: '🥳' } },
  { id: 'lone', text: 'kiwi \ud83e and \udd5d apart', metadata: { title: 'kiwi \ud83e' } },
  { id: 'lines', text: 'kiwi\n\n\n\tbird\r\n\u2028fly\u0000\u0007', metadata: {} },
  {
    id: 'many',
    text: 'A kiwi.',
    metadata: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`field ${i}`, i])),
  },
]

describe.skipIf(chromiumPath === undefined)('the page treats as text', () => {
  let browser: Browser
  let library: Library
  beforeAll(async () => {
    ;[browser, library] = await Promise.all([launchChromium(), openLibrary({ writable: true }, DOCUMENTS)])
  })
  afterAll(async () => {
    await browser?.close()
    await library?.close()
    await closeModel()
  })

  it.each([
    [1280, 800],
    [390, 844],
  ])(
    'what documents hold, at %i × %i',
    async (width, height) => {
      const { page, faults, close } = await openPage(browser, library.url, { viewport: { width, height } })
      await page.locator('#k').selectOption('50')
      await askPage(page, 'kiwi that cannot fly')
      await page.locator('mark').first().waitFor()
      expect(await page.locator('.hit').count()).toBe(DOCUMENTS.length)
      // Nothing became an element …
      expect(await page.locator('iframe, .hit img, .hit svg, .hit script, .hit form, .hit a').count()).toBe(0)
      const text = (await page.locator('.hits').textContent())!
      for (const script of SCRIPTS) expect(text).toContain(script)
      // … and nothing is wider than the page.
      for (const button of await page.getByRole('button', { name: 'Heat map' }).all()) await button.click()
      await expect.poll(() => page.locator('.hit table').count(), { timeout: 20_000 }).toBe(DOCUMENTS.length)
      const more = page.getByRole('button', { name: /^Show the whole text/ })
      while ((await more.count()) > 0) await more.first().click()
      const wide = await page.evaluate<number>('document.documentElement.scrollWidth')
      expect(wide).toBe(width)
      expect(
        await page
          .locator('.hit .text', { hasText: 'طائر' })
          .evaluate((one) => (one as never as { matches(s: string): boolean }).matches(':dir(rtl)')),
      ).toBe(true)
      expect(faults).toEqual([])
      await close()
    },
    120_000,
  )

  it('what is chosen as a filter, and what an address says', async () => {
    const { page, faults, close } = await openPage(browser, library.url)
    await page.locator('#k').selectOption('50')
    await askPage(page, 'kiwi')
    await page.locator('.hit .place button', { hasText: '<img' }).first().click()
    await page.getByRole('button', { name: /^Remove the filter source is <img/ }).waitFor()
    await expect.poll(() => page.locator('.hit').count()).toBe(1)
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    expect(await page.locator('#filter-field option').count()).toBeLessThanOrEqual(200)
    for (const hash of [
      `#q=${encodeURIComponent(SCRIPTS[0]!)}`,
      '#q=kiwi&where=[["__proto__","eq",1],["a","constructor","b"],["a",{},1],7]',
      '#q=kiwi&where={not json&k=-1&index=../../etc&first_stage=<b>',
      `#q=kiwi&where=${encodeURIComponent(JSON.stringify([[SCRIPTS[1], 'eq', SCRIPTS[1]]]))}`,
      '#%E0%A4%A',
    ]) {
      await page.goto(`${library.url}/${hash}`)
      await page.reload()
      await page.locator('#options').waitFor()
      await page.waitForTimeout(200)
    }
    expect(faults.filter((fault) => !/status of 400/.test(fault))).toEqual([])
    await close()
  })

  it('names of files', async () => {
    const { page, faults, close } = await openPage(browser, library.url)
    await page.locator('#files').waitFor({ state: 'attached' })
    for (const name of ['<img src=x onerror=noteFault(1)>.txt', `${'n'.repeat(280)}.txt`, '../../../tmp/owned.txt']) {
      await page
        .locator('#files')
        .setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(`A kiwi of ${name}`) })
      await page.locator('.sent li').first().filter({ hasText: '1 document added' }).waitFor()
    }
    expect(await page.locator('.sent img').count()).toBe(0)
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(1280)
    expect(faults).toEqual([])
    await close()
  })

  it('all of it by the policy of the browser, too: what the page never does would be refused', async () => {
    const { page, faults, close } = await openPage(browser, library.url)
    const tries = [
      `document.body.innerHTML = '<b>a</b>'`,
      `document.body.append(Object.assign(document.createElement('script'), { textContent: 'noteFault("ran")' }))`,
      `document.body.setAttribute('style', 'color: red')`,
      `fetch('https://evil.example')`,
      `document.body.append(Object.assign(document.createElement('img'), { src: 'https://evil.example/a.png' }))`,
    ]
    for (const one of tries) await page.evaluate(`(async () => { ${one} })().catch(() => {})`)
    await page.waitForTimeout(300)
    const refused = faults.filter((fault) => fault.startsWith('policy'))
    expect(refused.map((fault) => fault.split(' ')[1])).toEqual(
      expect.arrayContaining(['require-trusted-types-for', 'style-src-attr', 'connect-src', 'img-src']),
    )
    expect(faults.join()).not.toContain('ran')
    await close()
  })
})
