// With a chat model: a server that speaks OpenAI's protocol, in all the ways in which one can fail.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openModel } from '../../../examples/chatbot/chat/models.mjs'
import { readSettings } from '../../../examples/chatbot/settings.mjs'
import { chromiumPath, launchChromium } from '../../support/chromium.ts'
import { ask, newChat, startChatbot } from './chatbot.mjs'
import { startModelServer } from './model-server.mjs'
import { askPage, openPage } from './page.mjs'

let model
let chatbot
beforeAll(async () => {
  model = await startModelServer()
  chatbot = await startChatbot({
    environment: { CHAT_MODEL: 'openai:test', OPENAI_BASE_URL: model.url, CHAT_SILENCE: '3' },
  })
})
afterAll(async () => {
  await chatbot?.close()
  model?.close()
})

afterEach(() => {
  model.behaviour = ''
})

const QUESTION = 'When does the serotine leave its roost?'

describe('a chat model', () => {
  it('is given numbered passages, and asked to rewrite what points back', async () => {
    const chat = await newChat(chatbot.url)
    const first = await ask(chatbot.url, QUESTION, chat)
    expect(first).toMatchObject({ standalone: QUESTION, details: { status: 'answered', cited: [1, 2] } })
    expect(first.answer).toBe('The **serotine** leaves early, *soon* after sunset [1]. It flies slowly [1][2].')
    const { system, path } = model.asked.at(-1)
    expect(path).toBe('/v1/chat/completions')
    expect(system).toMatch(
      /<passage number="1" from="serotine\.md › The serotine › Flight">\n## Flight\n\nThe serotine leaves/,
    )
    const before = model.asked.length
    const second = await ask(chatbot.url, 'How big is it?', chat)
    expect(second.standalone).toBe('How big is the serotine?')
    expect(second.details.sources[0].heading).toBe('The serotine')
    const [rewriting, answering] = model.asked.slice(before)
    expect(rewriting.question).toContain(`User: ${QUESTION}\nAssistant: The **serotine**`)
    expect(answering.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
    expect(answering.question).toBe('How big is it?')
  })

  it.each([
    ['status 401', 'The provider of openai:test refuses the key (401)'],
    ['status 404', 'does not know the model openai:test (404). Check CHAT_MODEL.'],
    ['status 429', 'takes no more at the moment, or the quota is used up (429)'],
    ['status 500', 'The provider of openai:test failed (500)'],
    ['break off', 'The connection to openai:test broke off in the middle of the answer.'],
    ['end without a word', 'The connection to openai:test broke off in the middle of the answer.'],
    ['fall silent', 'openai:test has said nothing for 3 seconds, so it was stopped.'],
    ['too long', 'openai:test reached the most it may say; the end is missing.'],
  ])('that does "%s" is explained', async (what, problem) => {
    model.behaviour = what
    const turn = await ask(chatbot.url, QUESTION)
    expect(turn.details.status).toBe('failed')
    expect(turn.details.problem).toContain(problem)
    // The passages are there all the same.
    expect(turn.details.sources[0].name).toBe('serotine.md')
    if (what === 'fall silent') await expect.poll(() => model.asked.at(-1).isCut).toBe(true)
  })

  it('is not asked when nothing was found', async () => {
    const before = model.asked.length
    const turn = await ask(chatbot.url, 'Who wrote Pride and Prejudice?')
    expect([turn.details.status, model.asked.length]).toEqual(['nothing', before])
  })

  it('that cannot be made stops the server with a message', async () => {
    await expect(startChatbot({ environment: { CHAT_MODEL: 'openai:gpt-5-mini' } })).rejects.toThrow(
      /^OpenAI wants a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own\.\n$/,
    )
    await expect(openModel('gpt-5-mini', {})).rejects.toThrow('Write provider:model, like openai:gpt-5-mini')
    await expect(openModel('nobody:model', {})).rejects.toThrow('nobody')
    await expect(openModel('anthropic:claude', {})).rejects.toThrow('set ANTHROPIC_API_KEY')
  })

  it.each([
    [{ PORT: 'many' }, 'PORT is "many"'],
    [{ CHAT_THRESHOLD: '3' }, 'CHAT_THRESHOLD is "3"'],
    [{ HOST: '0.0.0.0' }, 'ALLOWED_HOSTS=chat.example.org'],
    [{ CHAT_FOLDER: '/nowhere' }, '/nowhere is no folder'],
  ])('and settings like %o are explained', (environment, message) => {
    expect(() => readSettings([], environment)).toThrow(message)
  })
})

describe.skipIf(chromiumPath === undefined)('a chat model on the page', () => {
  let browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  it('streams, and stops for real', async () => {
    const { page, faults, close } = await openPage(browser, chatbot.url)
    await page.evaluate(() => {
      window.drawn = new Set()
      new MutationObserver(() =>
        window.drawn.add(document.querySelector('.turn:last-child .answer')?.textContent),
      ).observe(document.querySelector('#turns'), { childList: true, subtree: true, characterData: true })
    })
    const turn = await askPage(page, QUESTION)
    expect(await page.evaluate(() => window.drawn.size)).toBeGreaterThan(4)
    expect(await turn.locator('.answer strong').textContent()).toBe('serotine')
    expect(await turn.locator('.answer .cite').allTextContents()).toEqual(['1', '1', '2'])

    model.behaviour = 'slowly'
    await page.getByLabel('Your question').fill(QUESTION)
    await page.keyboard.press('Enter')
    await page.locator('.turn:last-child .answer strong').waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.locator('.turn:last-child[data-state=stopped]').waitFor()
    expect(await page.locator('.turn:last-child .answer').textContent()).toMatch(/^The serotine/)
    await expect.poll(() => model.asked.at(-1)).toMatchObject({ isCut: true })
    // By key, too; and what was said until then is kept.
    await page.getByLabel('Your question').fill(QUESTION)
    await page.keyboard.press('Enter')
    await page.locator('.turn:last-child .answer strong').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.turn:last-child[data-state=stopped]').waitFor()
    await page.reload()
    await page.locator('html[data-ready]').waitFor()
    expect(await page.locator('.turn').evaluateAll((all) => all.map(({ dataset }) => dataset.state))).toEqual([
      'answered',
      'stopped',
      'stopped',
    ])
    expect(await page.locator('.turn:last-child .answer').textContent()).toMatch(/^The serotine/)
    expect(faults).toEqual([])
    await close()
  })

  it('says what it likes and nothing runs, loads or leads away', async () => {
    const { page, faults, close } = await openPage(browser, chatbot.url)
    model.behaviour = 'script'
    const script = await askPage(page, QUESTION)
    const answer = script.locator('.answer')
    expect(await answer.textContent()).toContain('<img src=x onerror="noteFault(1)"> <script>noteFault(2)</script>')
    expect(await answer.locator('img, script, a, iframe').count()).toBe(0)
    model.behaviour = 'unknown sources'
    const unknown = await askPage(page, QUESTION)
    expect(await unknown.locator('.answer .unknown').allTextContents()).toEqual(['[7]', '[9]'])
    expect(await unknown.locator('.answer a').count()).toBe(0)
    expect(await unknown.locator('.answer .cite').count()).toBe(2)
    model.behaviour = 'no citation'
    const nothing = await askPage(page, QUESTION)
    expect(await nothing.textContent()).toContain('This answer cites nothing. Compare it with what was found')
    expect(await nothing.locator('.card').count()).toBeGreaterThan(0)
    model.behaviour = 'status 401'
    const failed = await askPage(page, QUESTION)
    expect(await failed.locator('.end.failed').textContent()).toContain('refuses the key (401)')
    expect(faults).toEqual([])
    await close()
  })

  it('that is not there, and a chatbot that goes away, are told apart', async () => {
    const other = await startChatbot({
      environment: { CHAT_MODEL: 'openai:test', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' },
    })
    const { page, close } = await openPage(browser, other.url)
    const first = await askPage(page, QUESTION)
    expect(await first.locator('.end').textContent()).toMatch(/^Nothing answers where openai:test should be/)
    await other.close()
    const second = await askPage(page, QUESTION)
    expect(await second.locator('.end').textContent()).toBe('The server cannot be reached. Is it still running?')
    await close()
  })
})
