// Everybody can use it: axe in both themes and at both widths, in every state that the page has.
import axe from 'axe-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, launchChromium } from '../../support/chromium.ts'
import { ask, newChat, startChatbot } from './chatbot.mjs'
import { startModelServer } from './model-server.mjs'
import { openPage } from './page.mjs'

/** What axe finds, with the first place of each. */
async function problems(page) {
  // Colours that are still on their way are none that anybody reads.
  await page.evaluate(() =>
    Promise.all(document.getAnimations().map((one) => one.effect?.getTiming().iterations === 1 && one.finished)),
  )
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`,
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`)
}

describe.skipIf(chromiumPath === undefined)('axe finds nothing', () => {
  let browser
  let model
  let chatbot
  let chat
  beforeAll(async () => {
    model = await startModelServer()
    ;[browser, chatbot] = await Promise.all([
      launchChromium(),
      startChatbot({ environment: { CHAT_MODEL: 'openai:test', OPENAI_BASE_URL: model.url } }),
    ])
    chat = await newChat(chatbot.url)
    for (model.behaviour of ['', 'markdown', 'unknown sources', 'status 500'])
      await ask(chatbot.url, 'When does the serotine leave its roost?', chat)
    await ask(chatbot.url, 'Who wrote Pride and Prejudice?', chat)
  })
  afterAll(async () => {
    await browser?.close()
    await chatbot?.close()
    model?.close()
  })

  it.each([
    ['light', 1280],
    ['light', 390],
    ['dark', 1280],
    ['dark', 390],
  ])('%s, %i wide', async (colorScheme, width) => {
    const options = { colorScheme, viewport: { width, height: 820 } }
    const { page, close } = await openPage(browser, `${chatbot.url}/#${chat}`, options)
    await expect.poll(() => page.locator('.turn').count()).toBe(5)
    await page.locator('details.more').evaluateAll((all) => all.forEach((one) => (one.open = true)))
    await page.locator('.turn').first().locator('.cite').first().click()
    await page.locator('#passage .word').first().click()
    // Where it lies over the conversation, that is not there meanwhile.
    expect(await problems(page)).toEqual([])
    await page.keyboard.press('Escape')
    if (width < 500) {
      expect(await problems(page)).toEqual([])
      await page.getByRole('button', { name: 'Conversations and documents' }).click()
      expect(await problems(page)).toEqual([])
      await page.getByRole('button', { name: 'New conversation' }).first().click()
      await page.getByRole('button', { name: 'Where should a bat box hang?' }).waitFor()
      expect(await problems(page)).toEqual([])
    }
    await close()
  })
})
