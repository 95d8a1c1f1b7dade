// The server as it is started, asked over HTTP: without a model, and with one that speaks the protocol of OpenAI.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { openaiServer } from './openai-server.ts'
import type { ChatRequest, Reply } from './openai-server.ts'

const folder = fileURLToPath(new URL('..', import.meta.url))
const children: ChildProcess[] = []
after(() => children.forEach((child) => child.kill()))

/** @returns where it listens */
async function start(env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server.ts'], {
    cwd: folder,
    env: { ...process.env, OPENAI_API_KEY: '', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let output = ''
  for await (const chunk of child.stdout) {
    output += String(chunk)
    const [url] = /http:\/\/\S+/.exec(output) ?? []
    if (url) return url
  }
  throw new Error(`The server ended: ${output}`)
}

interface Part {
  type: string
  delta?: string
  output?: { number: number; name: string; source: string; line: number }[]
  errorText?: string
}

async function ask(url: string, ...questions: string[]) {
  const messages = questions.map((text) => ({ role: 'user', parts: [{ type: 'text', text }] }))
  const response = await fetch(`${url}/api/chat`, { method: 'POST', body: JSON.stringify({ messages }) })
  assert.equal(response.status, 200)
  const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'))
  const parts = events.map((event) => JSON.parse(event.slice(6)) as Part)
  return {
    text: parts.map(({ type, delta }) => (type === 'text-delta' ? delta : '')).join(''),
    sources: parts.find(({ type }) => type === 'tool-output-available')?.output,
    error: parts.find(({ type }) => type === 'error')?.errorText,
  }
}

describe('without a key', () => {
  let url: string
  before(async () => (url = await start({})))

  it('shows its page', async () => {
    assert.match(await (await fetch(url)).text(), /<title>Ask your documents/)
  })

  it('quotes the sentence that answers, and says where it stands', async () => {
    const { text, sources } = await ask(url, 'How many days of holiday do I have?')
    assert.match(text, /^Everybody has 28 days of holiday a year, .* \[1\]/)
    assert.equal(sources?.[0]?.source, 'leave.md')
    assert.match(sources[0].name, /28 days/)
  })

  it('finds what is written in letters only', async () => {
    assert.match((await ask(url, 'What does E-4012 mean?')).text, /badge has expired/)
  })

  it('answers the last question of several', async () => {
    assert.match((await ask(url, 'Who is my buddy?', 'My laptop was stolen.')).text, /service desk at once/)
  })

  it('says when the documents do not say it', async () => {
    assert.equal((await ask(url, 'How do I bake bread?')).text, 'The documents say nothing about that.')
  })

  it('answers a request without messages with what it wants', async () => {
    const response = await fetch(`${url}/api/chat`, { method: 'POST', body: '{}' })
    assert.equal(response.status, 400)
    assert.match(await response.text(), /at least one message/)
  })
})

describe('with a model', () => {
  const asksItsTool = ({ messages }: ChatRequest): Reply => {
    const last = messages.at(-1)!
    if (last.role === 'tool') return { text: 'You have 28 days [1].' }
    const question = JSON.stringify(last.content)
    if (question.includes('fail')) return { status: 400, error: 'no such model' }
    if (question.includes('remember')) return { tool: 'addResource', input: { content: 'The canteen closes at two.' } }
    return { tool: 'getInformation', input: { question: 'canteen, holidays' } }
  }

  it('gives it the passages, and streams what it says', async (t) => {
    const model = await openaiServer(asksItsTool)
    t.after(model.close)
    const url = await start({ OPENAI_API_KEY: 'test', OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'tiny' })
    const { text, sources } = await ask(url, 'How many days?')
    assert.equal(text, 'You have 28 days [1].')
    assert.equal(sources?.length, 4)
    assert.equal(model.requests[0]!.model, 'tiny')
    assert.deepEqual(model.requests[0]!.tools!.map((tool) => tool.function.name).sort(), [
      'addResource',
      'getInformation',
    ])
    assert.match(JSON.stringify(model.requests[1]!.messages.at(-1)), /28 days of holiday/)

    await ask(url, 'Please remember: the canteen closes at two.')
    await ask(url, 'When does the canteen close?')
    assert.match(JSON.stringify(model.requests.at(-1)!.messages.at(-1)), /canteen closes at two/)

    assert.match((await ask(url, 'fail')).error!, /no such model/)
  })
})
