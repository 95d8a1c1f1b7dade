// What people do with the page, in a real browser, offline.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, launchChromium } from '../../support/chromium.ts'
import { startChatbot } from './chatbot.mjs'
import { askPage, focused, openPage } from './page.mjs'

describe.skipIf(chromiumPath === undefined)('the chatbot in a browser', () => {
  let browser
  let chatbot
  beforeAll(async () => {
    ;[browser, chatbot] = await Promise.all([launchChromium(), startChatbot()])
  })
  afterAll(async () => {
    await browser?.close()
    await chatbot?.close()
  })

  it('answers in whole sentences with citations, whose passages light up', async () => {
    const { page, faults, close } = await openPage(browser, chatbot.url)
    await page.getByText('5 files, 18 passages, and nothing leaves this machine.').waitFor()
    await page.getByRole('button', { name: 'When does the serotine leave its roost?' }).click()
    await page.locator('.turn[data-state=answered]').waitFor()
    const answer = page.locator('.answer')
    expect(await answer.textContent()).toMatch(
      /^The serotine leaves its roost early, often 15 to 20 minutes after sunset, when/,
    )
    const card = page.locator('.card').first()
    expect(await card.textContent()).toContain('serotine.md')
    expect(await card.locator('mark').allTextContents()).toEqual(['serotine', 'serotine', 'roost'])
    // Looking at a citation shows which card it is.
    const cite = answer.getByRole('button', { name: /^Passage 1, serotine\.md/ })
    await cite.hover()
    expect(await card.getAttribute('class')).toContain('pointed')

    await cite.click()
    const passage = page.getByRole('dialog', { name: /serotine\.md/ })
    await passage.waitFor()
    expect(await focused(page)).toBe('passage-title')
    expect(await passage.textContent()).toMatch(/lines 5–7.*Flight.*Similarity0\.\d{3}.*MaxSim\d+\.\d\d.*Rank1/s)
    expect(await passage.textContent()).toMatch(/Found in .*MaxSim of all 18 passages.*question encoded/s)
    // A word of the question lights what it found, alone.
    await passage.getByRole('button', { name: /^roost / }).click()
    expect(await passage.locator('mark').allTextContents()).toEqual(['roost'])
    expect(await passage.getByRole('status').textContent()).toBe('roost found roost')
    await passage.getByRole('button', { name: /^roost / }).click()
    expect(await passage.locator('mark').count()).toBe(3)
    await page.keyboard.press('Escape')
    await passage.waitFor({ state: 'hidden' })
    expect(await focused(page)).toBe('cite')
    expect(faults).toEqual([])
    await close()
  })

  it('understands follow-up questions, says when nothing is there, and keeps the conversation', async () => {
    const { page, faults, close } = await openPage(browser, chatbot.url)
    await askPage(page, 'When does the serotine leave its roost?')
    const second = await askPage(page, 'What does it eat?')
    expect(await second.locator('.rewritten').textContent()).toContain('What does it eat? (serotine')
    expect(await second.locator('.answer').textContent()).toContain('Serotines eat large insects')
    const third = await askPage(page, 'Who won the football world cup in 1998?')
    expect(await third.getAttribute('data-state')).toBe('nothing')
    expect(await third.locator('.answer').textContent()).toBe('I found nothing about this in your documents.')
    expect(await third.textContent()).toMatch(/The most similar of 18 passages has 0\.\d\d; 0\.83 would count/)

    await page.reload()
    await page.locator('html[data-ready]').waitFor()
    await expect.poll(() => page.locator('.turn').count()).toBe(3)
    expect(await page.locator('.turn .answer').nth(1).textContent()).toContain('Serotines eat large insects')
    expect(await page.locator('.turn .card mark').count()).toBeGreaterThan(0)
    // It is remembered as a conversation, too: the next question goes on from it.
    const fourth = await askPage(page, 'And how big is it?')
    expect(await fourth.locator('.answer').textContent()).toContain('Its wings span 32 to 38 centimetres')

    await page.getByRole('button', { name: 'New conversation' }).first().click()
    await page.getByRole('button', { name: 'Where should a bat box hang?' }).waitFor()
    await page.getByRole('navigation', { name: 'Conversations' }).getByRole('button').first().click()
    await expect.poll(() => page.locator('.turn').count()).toBe(4)
    // A conversation that the server has forgotten begins anew.
    await page.goto(`${chatbot.url}/#00000000-0000-4000-8000-000000000000`)
    await page.reload()
    await page.locator('html[data-ready]').waitFor()
    expect([await page.locator('.turn').count(), new URL(page.url()).hash]).toEqual([0, ''])
    expect(faults).toEqual([])
    await close()
  })

  it('takes files, shows what becomes of them, and forgets them again', async () => {
    const { page, faults, close } = await openPage(browser, chatbot.url)
    const text = '# Ferry\n\nThe ferry to Askja leaves from pier nine at seven in the morning.\n'
    await page.getByLabel('Add files').setInputFiles([
      { name: 'ferry.md', mimeType: 'text/markdown', buffer: Buffer.from(text) },
      { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.from('') },
      { name: 'noise.txt', mimeType: 'text/plain', buffer: Buffer.from([0, 1, 2, 3, 0, 255]) },
    ])
    const sending = page.locator('#sending')
    await sending.getByText('ferry.md added: 1 passage.').waitFor()
    await sending.getByText('empty.txt was not added. The file is empty.').waitFor()
    await sending.getByText(/noise\.txt was not added\. noise\.txt is binary/).waitFor()
    const turn = await askPage(page, 'From which pier does the ferry to Askja leave?')
    expect(await turn.locator('.answer').textContent()).toContain('pier nine')

    await page.evaluate(() => {
      const files = new DataTransfer()
      files.items.add(new File(['The ferry to Askja leaves from pier two.'], 'ferry.md'))
      for (const type of ['dragover', 'drop'])
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }))
    })
    await sending.getByText('ferry.md replaced: 1 passage.').waitFor()
    const again = await askPage(page, 'Which pier does the ferry to Askja use?')
    expect(await again.locator('.answer').textContent()).toContain('pier two')
    await page.getByRole('button', { name: 'Remove ferry.md' }).click()
    await page.getByRole('button', { name: 'Remove ferry.md' }).waitFor({ state: 'detached' })
    const gone = await askPage(page, 'Where does the Askja ferry start?')
    expect(await gone.getAttribute('data-state')).toBe('nothing')
    // What is refused is said in the console, too, by the browser.
    expect(faults.filter((fault) => !/status of 4(00|22)/.test(fault))).toEqual([])
    await close()
  })

  it('can be used by keyboard alone', async () => {
    const { page, faults, close } = await openPage(browser, chatbot.url)
    expect(await focused(page)).toBe('question')
    await page.keyboard.type('Where should a bat box hang?')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('And why?')
    expect(await page.getByLabel('Your question').inputValue()).toBe('Where should a bat box hang?\nAnd why?')
    await page.keyboard.press('Enter')
    await page.locator('.turn[data-state=answered]').waitFor()
    expect(await page.getByRole('status').filter({ hasText: 'Answer: Hang the box' }).count()).toBe(1)
    await page.getByLabel('Your question').press('ArrowUp')
    expect(await page.getByLabel('Your question').inputValue()).toContain('bat box')
    await page.getByLabel('Your question').fill('')
    while ((await focused(page)) !== 'cite') await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: /bat-boxes\.md/ }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await focused(page)).toBe('cite')
    await page.keyboard.press('/')
    expect(await focused(page)).toBe('question')
    expect(faults).toEqual([])
    await close()
  })

  it('fits a phone: menu and passage lie over the conversation', async () => {
    const { page, faults, close } = await openPage(browser, chatbot.url, { viewport: { width: 390, height: 780 } })
    const turn = await askPage(page, 'What should I do if I find a bat indoors?')
    await turn.locator('.cite').first().click()
    await page.getByRole('dialog', { name: /bats-indoors\.md/ }).waitFor()
    expect(await page.evaluate(() => document.querySelector('#passage').matches(':modal'))).toBe(true)
    await page.getByRole('button', { name: 'Close the passage' }).click()
    await page.getByRole('button', { name: 'Conversations and documents' }).click()
    const documents = page.locator('#documents').getByText('bat-boxes.md')
    await documents.waitFor()
    await page.keyboard.press('Escape')
    await documents.waitFor({ state: 'hidden' })
    expect(await page.evaluate(() => [document.documentElement.scrollWidth, document.body.scrollTop])).toEqual([390, 0])
    expect(faults).toEqual([])
    await close()
  })
})
