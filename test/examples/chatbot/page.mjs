// The page in a browser, with everything noted that must not happen.
import { expect } from 'vitest'

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  /** @type {string[]} */
  const faults = []
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`)
  })
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) faults.push(`request: ${request.url()}`)
  })
  await page.exposeFunction('noteFault', (fault) => faults.push(`ran: ${fault}`))
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      window.noteFault(`policy: ${event.violatedDirective} ${event.sourceFile}`),
    ),
  )
  await page.goto(url)
  await page.locator('html[data-ready]').waitFor()
  return { page, faults, close: () => context.close() }
}

/**
 * Asks and waits for the end of the answer.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} question
 * @returns {Promise<import('playwright-core').Locator>} the question with its answer
 */
export async function askPage(page, question) {
  const before = await page.locator('.turn').count()
  await page.getByLabel('Your question').fill(question)
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('.turn').count()).toBe(before + 1)
  await page.locator('.turn:last-child:not([data-state=working])').waitFor()
  return page.locator('.turn').last()
}

/** The id of what has the focus, else its class. */
export const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.className)
