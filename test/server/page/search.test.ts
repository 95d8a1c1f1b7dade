// Searching with the page, in a real browser.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FLIGHTLESS } from '../../contract/birds.js'
import { chromiumPath, launchChromium } from '../../support/chromium.js'
import { send } from '../serve.js'
import { closeModel, openLibrary } from './library.js'
import type { Library } from './library.js'
import { askPage, focused, openPage, titles } from './open-page.js'

describe.skipIf(chromiumPath === undefined)('the page', () => {
  let browser: Browser
  let library: Library
  beforeAll(async () => {
    ;[browser, library] = await Promise.all([launchChromium(), openLibrary()])
  })
  afterAll(async () => {
    await browser?.close()
    await library?.close()
    await closeModel()
  })

  it('shows what the API finds, with the words that matched lit by strength', async () => {
    const { page, faults, close } = await openPage(browser, library.url)
    await askPage(page, FLIGHTLESS)
    const { body } = await send(`${library.url}/v1/search`, { query: FLIGHTLESS })
    await page.locator('mark').first().waitFor()
    const names = body.hits.map(
      ({ id, metadata }: { id: string; metadata: { title?: string } }) => metadata.title ?? id,
    )
    expect(await titles(page)).toEqual(names)
    const lit = await page.locator('.hit').first().locator('mark').allTextContents()
    expect(lit.join(' ')).toMatch(/fly|bird/)
    const levels = await page.locator('mark').evaluateAll((marks) => marks.map((mark) => mark.dataset['level']))
    expect(new Set(levels).size).toBeGreaterThan(1)
    expect(await page.getByRole('status').first().textContent()).toMatch(
      /^10 hits in [\d.<]+ ms · \d+ of centroids scored$/,
    )
    expect(await page.locator('#timings').textContent()).toMatch(/query encoded .* ms.*first stage .*MaxSim/)
    expect(await page.locator('.score').first().textContent()).toContain(`MaxSim ${body.hits[0].score.toFixed(2)}`)
    expect(faults).toEqual([])
    await close()
  })

  it('tells what the index holds', async () => {
    const { page, close } = await openPage(browser, library.url)
    const { body } = await send(`${library.url}/v1/indexes/default`)
    const about = page.locator('#about')
    await about.getByText('40', { exact: true }).waitFor()
    const text = (await about.textContent())!
    expect(text).toContain(body.tokens.toLocaleString('en-US'))
    expect(text).toContain(body.model)
    expect(text).toContain('First stagecentroids')
    expect(text).toContain('none: the server only reads')
    await close()
  })

  it('shows the order of the first stage beside that of MaxSim', async () => {
    const { page, close } = await openPage(browser, library.url)
    await askPage(page, 'birds that hide in forests')
    const { body } = await send(`${library.url}/v1/search`, { query: 'birds that hide in forests' })
    const moves = await page.locator('.hit .move .hidden').allTextContents()
    expect(moves).toEqual(
      body.hits.map(({ rank, first_stage_rank: before }: { rank: number; first_stage_rank: number }) =>
        before === rank
          ? `Rank ${rank} by the first stage, too.`
          : `From rank ${before} by the first stage to rank ${rank} by MaxSim.`,
      ),
    )
    expect(await page.locator('.slopes .after li').count()).toBe(10)
    expect(await page.locator('.slopes .before li').count()).toBeGreaterThanOrEqual(10)
    expect(await page.locator('.slopes path').count()).toBe(10)
    await page.locator('.slopes .after button').nth(2).click()
    expect(await focused(page)).toBe('hit-3')
    await page.locator('#first-stage').selectOption('exact')
    await page.getByText('All 40 documents were scored by MaxSim itself').waitFor()
    expect(await page.locator('.move').count()).toBe(0)
    await close()
  })

  it('filters by what is chosen, and by what a hit has', async () => {
    const { page, faults, close } = await openPage(browser, library.url)
    await askPage(page, 'birds')
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    await page.getByLabel('Field').selectOption('year')
    await page.getByLabel('Condition').selectOption({ label: 'is at least' })
    await page.getByLabel('Value').fill('2019')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Remove the filter year is at least 2019' }).waitFor()
    await expect
      .poll(async () => (await page.locator('.hit .chip').allTextContents()).filter((text) => text.startsWith('year')))
      .not.toContain('year 2000')
    const years = (await page.locator('.hit .chip').allTextContents()).filter((text) => text.startsWith('year'))
    expect(years.every((text) => Number(text.slice(5)) >= 2019)).toBe(true)
    await page.locator('.hit .chip', { hasText: 'lang en' }).first().click()
    await page.getByRole('button', { name: 'Remove the filter lang is en' }).waitFor()
    expect(new URL(page.url()).hash).toContain('where=')
    // The address holds the search: it can be reloaded, and gone back from.
    await page.reload()
    await page.locator('.hit').first().waitFor()
    expect(await page.locator('#conditions li').count()).toBe(2)
    await page.goBack()
    await expect.poll(() => page.locator('#conditions li').count()).toBe(1)
    await page.getByRole('button', { name: /^Remove the filter year/ }).click()
    await expect.poll(() => page.locator('#conditions li').count()).toBe(0)
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    // Booleans and elements of arrays are what they are.
    await page.getByLabel('Field').selectOption('rare')
    await page.getByLabel('Condition').selectOption({ label: 'is' })
    await page.getByLabel('Value').fill('true')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await expect.poll(() => page.locator('.hit').count()).toBe(6)
    await page.getByLabel('Field').selectOption('tags')
    await page.getByLabel('Condition').selectOption({ label: 'contains' })
    await page.getByLabel('Value').fill('coasts')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await expect.poll(() => titles(page)).toEqual(['coasts-swim'])
    expect(faults).toEqual([])
    await close()
  })

  it('shows every pair of tokens on demand', async () => {
    const { page, faults, close } = await openPage(browser, library.url)
    await askPage(page, 'flightless birds')
    const hit = page.locator('.hit').first()
    const button = hit.getByRole('button', { name: 'Heat map' })
    await button.click()
    await hit.locator('table').waitFor()
    expect(await button.getAttribute('aria-expanded')).toBe('true')
    const { body: found } = await send(`${library.url}/v1/search`, { query: 'flightless birds', k: 1 })
    const { body } = await send(`${library.url}/v1/explain`, { query: 'flightless birds', id: found.hits[0].id })
    const words = body.query_tokens.filter(({ start }: { start: number }) => start >= 0).length
    expect(await hit.locator('tbody tr').count()).toBe(words)
    expect(await hit.locator('thead th').count()).toBe(body.document_tokens.length)
    expect(await hit.locator('td.best').count()).toBe(words)
    await hit.getByLabel(/of the query that are not text/).check()
    expect(await hit.locator('tbody tr').count()).toBe(body.query_tokens.length)
    const token = hit.locator('.token').nth(1)
    await token.click()
    expect(await token.getAttribute('aria-pressed')).toBe('true')
    expect(await hit.locator('.said').textContent()).toMatch(/^flight found .*: similarity 0\.\d\d$/)
    expect(await hit.locator('.shaded .best').count()).toBe(1)
    const heats = await hit
      .locator('.shaded span')
      .evaluateAll((all) => all.map((one) => Number(one.style.getPropertyValue('--heat'))))
    expect(Math.max(...heats)).toBeGreaterThan(0.5)
    expect(Math.min(...heats)).toBeLessThan(0.2)
    await button.click()
    expect(await hit.locator('table').count()).toBe(0)
    expect(faults).toEqual([])
    await close()
  })

  it('works by keys alone', async () => {
    const { page, faults, close } = await openPage(browser, library.url)
    await page.locator('#options').waitFor()
    expect(await focused(page)).toBe('query')
    await page.keyboard.type('flightless birds')
    await page.keyboard.press('Enter')
    await page.locator('.hit').first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    expect(await focused(page)).toBe('hit-2')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('Enter')
    await page.locator('#map-1 table').waitFor()
    await page.locator('#map-1 .token').first().focus()
    await page.keyboard.press('ArrowRight')
    expect(await page.locator('#map-1 .token').nth(1).getAttribute('aria-pressed')).toBe('true')
    await page.keyboard.press('Escape')
    expect(await page.locator('#map-1 table').count()).toBe(0)
    expect(await focused(page)).toBe('hit-1')
    await page.keyboard.press('Escape')
    expect(await focused(page)).toBe('query')
    // In the field, a slash is a slash; elsewhere it leads there.
    await page.keyboard.press('End')
    await page.keyboard.type('/')
    expect(await page.locator('#query').inputValue()).toBe('flightless birds/')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('/')
    expect(await focused(page)).toBe('query')
    // Every thing to press can be reached, and shows that it has the focus.
    const seen = new Set<string>()
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab')
      const [name, outline] = await page.evaluate<[string, string]>(`{
        const now = document.activeElement;
        [now.id || now.className || now.textContent || now.tagName, getComputedStyle(now).outlineStyle]
      }`)
      if (name !== 'BODY' && name !== 'query') expect(outline, name).not.toBe('none')
      seen.add(name)
    }
    for (const name of ['first-stage', 'k', 'filter-toggle', 'small', 'chip']) expect([...seen]).toContain(name)
    expect(faults).toEqual([])
    await close()
  })

  it('keeps the colours that were chosen', async () => {
    const { page, close } = await openPage(browser, library.url, { colorScheme: 'dark' })
    const theme = () => page.evaluate<string>('document.documentElement.dataset.theme')
    expect(await theme()).toBe('dark')
    await page.getByRole('button', { name: 'Light colours' }).click()
    expect(await theme()).toBe('light')
    await page.reload()
    expect(await theme()).toBe('light')
    await close()
  })
})
