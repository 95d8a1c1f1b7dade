// The program as it is started: without a model, and with one that speaks the protocol of OpenAI.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openaiServer } from './openai-server.ts'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** @param lines what is typed, one after the other; none for a question among the arguments */
async function chat({
  lines = [],
  args = [],
  env = {},
}: {
  lines?: string[]
  args?: string[]
  env?: Record<string, string>
}) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'chat.ts', ...args], {
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

// Each starts a process, most of whose time goes into loading LlamaIndex.
describe('chat.ts', { concurrency: true }, () => {
  it('answers without a key, with the place, until an empty line', async () => {
    const lines = [
      'How many days of holiday do I have?',
      'Who is my buddy?',
      'How do I bake bread?',
      '',
      'What does E-4012 mean?',
    ]
    const { stdout, code } = await chat({ lines })
    assert.match(stdout, /^> Everybody has 28 days of holiday a year, .* \[1\].*\n {2}\[1\] leave\.md:1$/m)
    assert.match(stdout, /New colleagues get a buddy/)
    assert.match(stdout, /The documents say nothing about that\./)
    assert.doesNotMatch(stdout, /badge has expired/)
    assert.equal(code, 0)
  })

  it('names a folder that is not there', async () => {
    const { stderr, code } = await chat({ args: ['Anything?'], env: { DOCUMENTS: 'documents/nowhere' } })
    assert.match(stderr, /documents\/nowhere/)
    assert.equal(code, 1)
  })

  it('gives a model numbered passages and what was said, and shows what it says', async (t) => {
    const model = await openaiServer(({ messages }) =>
      messages.findLast(({ role }) => role === 'user')?.content === 'fail'
        ? { status: 400, error: 'no such model' }
        : { text: `Answer ${messages.length} [2].` },
    )
    t.after(model.close)
    const env = { OPENAI_API_KEY: 'test', OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'tiny' }
    const { stdout, stderr, code } = await chat({ lines: ['My laptop was stolen.', 'And my badge?', 'fail'], env })
    assert.match(stdout, /Answer 2 \[2\]\.\n {2}\[2\] \w+\.md:\d+\n/)
    assert.match(stdout, /Answer 4 \[2\]\./)
    assert.match(stderr, /no such model/)
    assert.equal(code, 1)
    const [first, second] = model.requests
    assert.match(JSON.stringify(first!.messages), /\[1\] \(security\.md:1\)\\n# Security/)
    assert.match(JSON.stringify(second!.messages), /laptop was stolen/)
  })
})
