// The app as it is built and started: asked over HTTP, and in a browser where there is one (CHROME_PATH, or Chromium on the path).
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { openaiServer } from './openai-server.ts'

const folder = fileURLToPath(new URL('..', import.meta.url))
const children: ChildProcess[] = []
after(() => children.forEach((child) => child.kill()))

/** @returns where it listens */
async function start(env: Record<string, string> = {}): Promise<string> {
  const next = join(folder, 'node_modules/next/dist/bin/next')
  const child = spawn(process.execPath, [next, 'start', '--port', '0', '--hostname', '127.0.0.1'], {
    cwd: folder,
    env: { ...process.env, OPENAI_API_KEY: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let output = ''
  for await (const chunk of child.stdout) {
    output += String(chunk)
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(output) ?? []
    if (url && output.includes('Ready')) return url
  }
  throw new Error(`The server ended: ${output}`)
}

async function ask(url: string, text: string): Promise<string> {
  const messages = [{ id: '1', role: 'user', parts: [{ type: 'text', text }] }]
  const response = await fetch(url, { method: 'POST', body: JSON.stringify({ messages }) })
  assert.equal(response.status, 200)
  const stream = await response.text()
  return [...stream.matchAll(/"delta":("(?:[^"\\]|\\.)*")/g)].map(([, delta]) => JSON.parse(delta!) as string).join('')
}

describe('without a key', () => {
  let url: string
  before(async () => (url = await start()))

  it('answers by a chain and by an agent', async () => {
    for (const path of ['retrieval', 'retrieval_agents']) {
      const text = await ask(`${url}/api/chat/${path}`, 'How many days of holiday do I have?')
      assert.match(text, /^Everybody has 28 days of holiday a year, .* \[1\]/)
    }
  })

  it('adds a text for all routes', async () => {
    const text = 'The canteen closes at two.'
    const response = await fetch(`${url}/api/retrieval/ingest`, {
      method: 'POST',
      body: JSON.stringify({ name: 'canteen.md', text }),
    })
    assert.deepEqual(await response.json(), { ok: true, passages: 1 })
    assert.match(await ask(`${url}/api/chat/retrieval_agents`, 'When does the canteen close?'), /closes at two/)
  })
})

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const folders = (process.env['PATH'] ?? '').split(delimiter)
const executablePath =
  process.env['CHROME_PATH'] ?? folders.flatMap((path) => names.map((name) => join(path, name))).find(existsSync)

describe('the page', { skip: executablePath === undefined && 'no Chromium here' }, () => {
  it('shows an answer of a model, its sources, and what went wrong', async (t) => {
    const model = await openaiServer(({ messages, tools }) => {
      if (messages.at(-1)!.content === 'fail') return { status: 400, error: 'no such model' }
      if (!tools)
        return {
          text: String(messages.at(-1)!.content).startsWith('Rewrite')
            ? 'holiday'
            : 'You have 28 days [1], and five more [2].',
        }
      if (messages.at(-1)!.role === 'tool') return { text: 'An agent says: <b>28 days</b> [1].' }
      return { tool: 'search_documents', input: { query: 'holiday' } }
    })
    t.after(model.close)
    const url = await start({ OPENAI_API_KEY: 'test', OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'tiny' })
    const browser = await chromium.launch({
      executablePath: executablePath!,
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    })
    t.after(() => browser.close())
    const page = await browser.newPage({ viewport: { width: 390, height: 800 } })
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text())
    })
    await page.goto(url)
    const asks = async (question: string) => {
      await page.getByLabel('Question').fill(question)
      await page.keyboard.press('Enter')
    }
    await asks('How many days?')
    await page.getByText('You have 28 days [1], and five more [2].').waitFor()
    assert.equal(await page.locator('details').count(), 2)
    await page.locator('summary').first().click()
    await page.getByText(/28 days of holiday a year/).waitFor()

    await page.getByLabel('How').selectOption('Agent')
    await asks('And now?')
    // What a model writes stays text.
    await page.getByText('An agent says: <b>28 days</b> [1].').waitFor()

    await page
      .getByLabel(/Add files/)
      .setInputFiles({ name: 'canteen.md', mimeType: 'text/markdown', buffer: Buffer.from('It closes at two.') })
    await page.getByText('canteen.md: 1 passages').waitFor()
    assert.deepEqual(faults, [])

    await asks('fail')
    await page
      .locator('.error')
      .getByText(/no such model/)
      .waitFor()
  })
})
