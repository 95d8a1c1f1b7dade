// The page in a browser, with everything noted that must not happen, as for the server's.
import { expect } from 'vitest'
import { openPage as openAny } from '../../server/page/open-page.ts'

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage(browser, url, options = {}) {
  const opened = await openAny(browser, url, options)
  await opened.page.locator('html[data-ready]').waitFor()
  return opened
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
