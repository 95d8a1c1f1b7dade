// The routes of the template for Next.js, called as Next.js calls them, without installing it. `npm run test:templates` builds it and opens
// it in a browser.
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { POST as agent } from '../../examples/nextjs-chat/app/api/chat/retrieval_agents/route'
import { POST as chain } from '../../examples/nextjs-chat/app/api/chat/retrieval/route'
import { POST as ingest } from '../../examples/nextjs-chat/app/api/retrieval/ingest/route'
import { openaiServer } from '../../examples/nextjs-chat/test/openai-server'

beforeAll(() => {
  delete process.env['OPENAI_API_KEY']
  process.env['DOCUMENTS'] = new URL('../../examples/nextjs-chat/documents', import.meta.url).pathname
})
afterEach(() => {
  for (const name of ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_MODEL']) delete process.env[name]
})

const post = (route, body) => route(new Request('http://localhost/api', { method: 'POST', body: JSON.stringify(body) }))

async function ask(route, ...said) {
  const messages = said.map((text, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    parts: [{ type: 'text', text }],
  }))
  const response = await post(route, { messages })
  expect(response.status).toBe(200)
  const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'))
  const parts = events.map((event) => JSON.parse(event.slice(6)))
  return {
    text: parts.map(({ type, delta }) => (type === 'text-delta' ? delta : '')).join(''),
    deltas: parts.filter(({ type }) => type === 'text-delta').length,
    sources: parts.findLast(({ type }) => type === 'data-sources')?.data,
    error: parts.find(({ type }) => type === 'error')?.errorText,
  }
}

describe.each([
  ['chain', chain],
  ['agent', agent],
])('%s', (_, route) => {
  it('quotes the sentence that answers, in parts, and says where it stands', async () => {
    const { text, deltas, sources } = await ask(route, 'How many days of holiday do I have?')
    expect(text).toMatch(/^Everybody has 28 days of holiday a year, .* \[1\]/)
    expect(deltas).toBeGreaterThan(5)
    expect(sources).toHaveLength(4)
    expect(sources[0]).toMatchObject({ number: 1, place: 'leave.md:1', text: expect.stringContaining('28 days') })
  })

  it('answers the last question, finds letters and digits, and says when nothing answers', async () => {
    expect((await ask(route, 'Who is my buddy?', 'Somebody [1].', 'What does E-4012 mean?')).text).toMatch(
      /badge has expired/,
    )
    expect((await ask(route, 'How do I bake bread?')).text).toBe('The documents say nothing about that.')
  })

  it('refuses what is no question', async () => {
    for (const body of [{}, { messages: [] }, { messages: [{ role: 'assistant', parts: [] }] }]) {
      const response = await post(route, body)
      expect([response.status, await response.text()]).toEqual([
        400,
        expect.stringContaining('whose last one is a question'),
      ])
    }
  })
})

describe('with a model', () => {
  it('the chain rewrites a question that goes on, and gives the passages', async () => {
    const model = await openaiServer(({ messages }) =>
      String(messages.at(-1).content).startsWith('Rewrite')
        ? { text: 'What is the limit for a hotel in Zurich?' }
        : { text: 'It is 240 euros [1].' },
    )
    Object.assign(process.env, { OPENAI_API_KEY: 'test', OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'tiny' })
    const { text, sources } = await ask(chain, 'What may a hotel cost?', '180 euros [1].', 'And in Zurich?')
    expect(text).toBe('It is 240 euros [1].')
    expect(sources[0].text).toContain('in London and Zurich up to 240')
    expect(model.requests).toHaveLength(2)
    expect(model.requests[1]).toMatchObject({
      model: 'tiny',
      messages: [{ role: 'system', content: expect.stringMatching(/\[1\] \(expenses\.md:\d+\)/) }, {}, {}, {}],
    })
    model.close()
  })

  it('the agent calls the tool, and what fails is said', async () => {
    const model = await openaiServer(({ messages }) => {
      if (messages.at(-1).content === 'fail') return { status: 400, error: 'no such model' }
      if (messages.at(-1).role === 'tool') return { text: 'Call the service desk [1].' }
      return { tool: 'search_documents', input: { query: 'stolen laptop' } }
    })
    Object.assign(process.env, { OPENAI_API_KEY: 'test', OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'tiny' })
    const { text, sources } = await ask(agent, 'Somebody took my computer')
    expect([text, sources[0].place]).toEqual(['Call the service desk [1].', 'security.md:1'])
    expect((await ask(agent, 'fail')).error).toMatch(/no such model/)
    model.close()
  })
})

describe('ingest', () => {
  it('adds a text, in the place of the one before', async () => {
    expect(await (await post(ingest, { name: 'canteen.md', text: 'The canteen closes at two.' })).json()).toEqual({
      ok: true,
      passages: 1,
    })
    expect((await ask(chain, 'When does the canteen close?')).text).toMatch(/closes at two/)
    await post(ingest, { name: 'canteen.md', text: 'The canteen closes at three.' })
    const { text, sources } = await ask(chain, 'When does the canteen close?')
    expect(text).toMatch(/closes at three/)
    expect(sources.filter(({ place }) => place.startsWith('added/canteen.md'))).toHaveLength(1)
  })

  it.each([
    [{}, 400, /Send \{ name, text \}/],
    [{ text: '' }, 400, /Send/],
    [{ name: 'blank.md', text: '   ' }, 400, /no text in blank\.md/],
    [{ text: 'a'.repeat(1_000_001) }, 400, /1000000/],
  ])('refuses case %#', async (body, status, message) => {
    const response = await post(ingest, body)
    expect([response.status, await response.text()]).toEqual([status, expect.stringMatching(message)])
  })
})
