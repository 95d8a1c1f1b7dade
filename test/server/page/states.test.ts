// What the page says when not all is well.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, launchChromium } from '../../support/chromium.js'
import { closeModel, documents, openLibrary } from './library.js'
import type { Library } from './library.js'
import { askPage, focused, openPage, titles } from './open-page.js'

/** What a browser says of each answer that is an error. */
const beyondAnswers = (faults: readonly string[]) => faults.filter((fault) => !/Failed to load resource/.test(fault))

describe.skipIf(chromiumPath === undefined)('the page says', () => {
  let browser: Browser
  let library: Library | undefined
  const open = async (...given: Parameters<typeof openLibrary>): Promise<Library> => {
    await library?.close()
    return (library = await openLibrary(...given))
  }
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await library?.close()
    await closeModel()
  })

  it('that the server is gone, and goes on when it is there again', async () => {
    const { url, port, close: stop } = await open()
    const { page, faults, close } = await openPage(browser, url)
    await askPage(page, 'birds')
    await stop()
    library = undefined
    await page.getByRole('button', { name: 'Search', exact: true }).click()
    const notice = page.getByRole('alert')
    await notice.getByText('The server does not answer. Is it still running?').waitFor()
    expect(await page.locator('.hit').count()).toBe(0)
    await open({}, documents(), port)
    await notice.getByRole('button', { name: 'Try again' }).click()
    await page.locator('.hit').first().waitFor()
    expect(await notice.isHidden()).toBe(true)
    expect(beyondAnswers(faults)).toEqual([])
    await close()
  })

  it('that it needs a token, which this tab alone keeps', async () => {
    const { url, log } = await open({ token: 'open-sesame' })
    const { page, faults, close } = await openPage(browser, url)
    const dialog = page.getByRole('dialog', { name: 'This server asks for a token' })
    await dialog.waitFor()
    const isReady = () => expect.poll(() => focused(page)).toBe('token-value')
    await isReady()
    await page.keyboard.type('wrong')
    await page.keyboard.press('Enter')
    await dialog.getByText('That is not the right token.').waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('alert').getByText('The server wants a token.').waitFor()
    await page.getByRole('button', { name: 'Give it' }).click()
    await isReady()
    await page.keyboard.type('ein Schlüssel')
    await page.keyboard.press('Enter')
    await dialog.getByText('That is not the right token.').waitFor()
    await page.getByLabel('Token', { exact: true }).fill('open-sesame')
    await page.keyboard.press('Enter')
    await askPage(page, 'birds')
    await page.locator('mark').first().waitFor()
    const kept = await page.evaluate<string[][]>(
      '[sessionStorage, localStorage].map((storage) => Object.values(storage))',
    )
    expect(kept).toEqual([['open-sesame'], []])
    expect(await page.context().cookies()).toEqual([])
    expect(page.url()).not.toContain('sesame')
    await page.reload()
    await page.locator('.hit').first().waitFor()
    expect(await dialog.isVisible()).toBe(false)
    expect(JSON.stringify(log)).not.toContain('sesame')
    // Another tab is asked again.
    const other = await page.context().newPage()
    await other.goto(url)
    await other.getByRole('dialog').waitFor()
    expect(beyondAnswers(faults)).toEqual([])
    await close()
  })

  it('that the server is busy, and asks again by itself', async () => {
    const { url } = await open()
    const { page, close } = await openPage(browser, url)
    await page.locator('#options').waitFor()
    let busy = 2
    await page.route('**/v1/search', (route) =>
      busy-- > 0
        ? route.fulfill({
            status: 429,
            headers: { 'Retry-After': '1' },
            json: { code: 'TOO_MANY_REQUESTS', message: 'The server is busy.' },
          })
        : route.continue(),
    )
    await page.getByLabel('What to ask').fill('birds')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('The server is busy. Asking again in 1 s.').waitFor()
    await page.locator('.hit').first().waitFor()
    expect(await page.getByRole('alert').count()).toBe(0)
    await close()
  })

  it('that a request was refused, or failed inside', async () => {
    const { url } = await open()
    const { page, close } = await openPage(browser, url)
    await askPage(page, 'birds')
    for (const [status, message, offers] of [
      [400, 'where.year: there is no operator "near".', 0],
      [500, 'The server failed. Its log says why.', 1],
      [503, 'The answer took longer than 60000 ms.', 1],
    ] as const) {
      await page.unrouteAll()
      await page.route('**/v1/search', (route) => route.fulfill({ status, json: { code: 'X', message } }))
      await page.getByRole('button', { name: 'Search', exact: true }).click()
      const notice = page.getByRole('alert')
      await notice.getByText(message).waitFor()
      expect(await notice.getByRole('button', { name: 'Try again' }).count()).toBe(offers)
    }
    await page.unrouteAll()
    await page.route('**/v1/search', (route) => route.fulfill({ status: 502, body: '<h1>Bad gateway</h1>' }))
    await page.getByRole('button', { name: 'Search', exact: true }).click()
    await page.getByRole('alert').getByText('The server answered 502.').waitFor()
    await close()
  })

  it('that there is nothing: no hits, an empty index, no index', async () => {
    const { url } = await open()
    const asked = await openPage(browser, url)
    await askPage(asked.page, 'birds')
    await asked.page.getByRole('button', { name: 'Filter', exact: true }).click()
    await asked.page.getByLabel('Field').selectOption('year')
    await asked.page.getByLabel('Value').fill('1')
    await asked.page.keyboard.press('Enter')
    await asked.page.getByText('None of the 40 documents passes these filters.').waitFor()
    expect(await asked.page.locator('#order').isVisible()).toBe(false)
    await asked.page.getByRole('button', { name: 'Remove the filters' }).click()
    await asked.page.locator('.hit').first().waitFor()
    expect(asked.faults).toEqual([])
    await asked.close()

    const empty = await openPage(browser, (await open({}, [])).url)
    await empty.page.getByText('The index is empty.').waitFor()
    await empty.page.getByLabel('What to ask').fill('birds')
    await empty.page.keyboard.press('Enter')
    await empty.page.getByText('No document passes.').waitFor()
    expect(empty.faults).toEqual([])
    await empty.close()

    const none = await openPage(browser, (await open({}, false)).url)
    await none.page.getByText('This server has no index: it reranks only').waitFor()
    expect(await none.page.getByRole('search').count()).toBe(0)
    expect(none.faults).toEqual([])
    await none.close()
  })

  it('what was asked last, however the answers come', async () => {
    const { url } = await open()
    const { page, close } = await openPage(browser, url)
    await page.locator('#options').waitFor()
    await page.route('**/v1/search', async (route) => {
      const slow = (route.request().postDataJSON() as { query: string }).query === 'kiwi'
      if (slow) await new Promise((resolve) => setTimeout(resolve, 700))
      await route.continue().catch(() => {})
    })
    await page.getByLabel('What to ask').fill('kiwi')
    await page.keyboard.press('Enter')
    await askPage(page, 'set HTTP_PROXY to use a proxy')
    const found = await titles(page)
    await page.waitForTimeout(1_000)
    expect(await titles(page)).toEqual(found)
    expect(found[0]).toBe('About proxy')
    await close()
  })
})
