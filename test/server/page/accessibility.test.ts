// Everybody can use it: axe in both themes and at both widths.
import axe from 'axe-core'
import type { AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, launchChromium } from '../../support/chromium.js'
import { closeModel, documents, openLibrary } from './library.js'
import type { Library } from './library.js'
import { askPage, openPage } from './open-page.js'

/** What axe finds, with the first place of each. */
async function problems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`,
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 200)} ${nodes[0]!.failureSummary}`)
}

describe.skipIf(chromiumPath === undefined)('axe finds nothing', () => {
  let browser: Browser
  let library: Library
  beforeAll(async () => {
    ;[browser, library] = await Promise.all([launchChromium(), openLibrary({ writable: true })])
  })
  afterAll(async () => {
    await browser?.close()
    await library?.close()
    await closeModel()
  })

  it.each([
    ['light', 1280],
    ['light', 390],
    ['dark', 1280],
    ['dark', 390],
  ] as const)('%s, %i wide', async (colorScheme, width) => {
    const { page, faults, close } = await openPage(browser, library.url, {
      colorScheme,
      viewport: { width, height: 820 },
    })
    await page.getByText('Ask 40 documents something').waitFor()
    expect(await problems(page)).toEqual([])
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    await page
      .locator('details')
      .evaluateAll((all) => all.forEach((one) => ((one as never as { open: boolean }).open = true)))
    await askPage(page, 'birds that cannot fly')
    await page.locator('mark').first().waitFor()
    await page.locator('.hit .chip').first().click()
    await page.locator('#conditions li').first().waitFor()
    await page.locator('mark').first().waitFor()
    await page.getByRole('button', { name: 'Heat map' }).first().click()
    await page.locator('.hit table').waitFor()
    await page.locator('.token').nth(1).click()
    expect(await problems(page)).toEqual([])
    expect(faults).toEqual([])
    await close()
  })

  it('in the question for the token, a notice and an empty page', async () => {
    const guarded = await openLibrary({ token: 'secret' }, documents().slice(0, 3))
    const { page, close } = await openPage(browser, guarded.url)
    await page.getByRole('dialog').waitFor()
    expect(await problems(page)).toEqual([])
    await page.keyboard.press('Escape')
    await page.getByRole('alert').waitFor()
    expect(await problems(page)).toEqual([])
    await close()
    await guarded.close()
  })
})
