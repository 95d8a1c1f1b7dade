// The program as it is started: without a model, and with one that speaks the protocol of OpenAI.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openaiServer } from './openai-server.ts'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** @param lines what is typed, one after the other */
async function chat(lines: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'chat.ts'], {
    cwd: folder,
    env: { ...process.env, OPENAI_API_KEY: '', ...env },
  })
  child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => (stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  const code = await new Promise((done) => child.on('close', done))
  return { stdout, stderr, code }
}

describe('chat.ts', { concurrency: true }, () => {
  it('answers without a key, with the place, until an empty line', async () => {
    const lines = [
      'How many days of holiday do I have?',
      'Who is my buddy?',
      'How do I bake bread?',
      '',
      'What does E-4012 mean?',
    ]
    const { stdout, code } = await chat(lines)
    assert.match(stdout, /^> Everybody has 28 days of holiday a year, .* \[1\].*\n {2}\[1\] leave\.md:1$/m)
    assert.match(stdout, /New colleagues get a buddy/)
    assert.match(stdout, /The documents say nothing about that\./)
    assert.doesNotMatch(stdout, /badge has expired/)
    assert.equal(code, 0)
  })

  it('gives a model the passages that were reranked, and shows what it says', async (t) => {
    const model = await openaiServer(({ messages }) => {
      const last = messages.at(-1)!
      if (last.role === 'tool') return { text: 'Call the service desk [1].' }
      if (JSON.stringify(last.content).includes('fail')) return { status: 400, error: 'no such model' }
      return { tool: 'search_documents', input: { queryText: 'my laptop was stolen', topK: 12 } }
    })
    t.after(model.close)
    const env = { OPENAI_API_KEY: 'test', OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'tiny' }
    const { stdout, stderr, code } = await chat(['Somebody took my computer.', 'fail', 'And my badge?'], env)
    assert.match(stdout, /Call the service desk \[1\]\.\n {2}\[1\] security\.md:1\n/)
    assert.match(stderr, /no such model/)
    assert.equal(code, 1)
    assert.equal(model.requests[0]!.model, 'tiny')
    assert.match(JSON.stringify(model.requests[1]!.messages.at(-1)), /lost or stolen laptop/)
    // What failed is forgotten, what was said before is not.
    const last = JSON.stringify(model.requests.at(-1)!.messages)
    assert.match(last, /Somebody took my computer/)
    assert.doesNotMatch(last, /"fail"/)
  })
})
