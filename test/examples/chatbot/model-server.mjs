// A server that speaks OpenAI's protocol and does what it is told to: answers, fails, breaks off, falls silent.
import { createServer } from 'node:http'

const ANSWER = 'The **serotine** leaves early, *soon* after sunset [1]. It flies slowly [1][2].'.match(/\S+\s*/g)

/** Pieces of other answers. */
const ANSWERS = {
  script: [
    '<img src=x onerror="noteFault(1)"> <script>noteFault(2)</script> [bad](javascript:noteFault(3)) ',
    '![p](https://evil.example/p.png) [1]',
  ],
  'unknown sources': ['This is known [7] and that, too [1, 9].\n\n[1]: https://evil.example'],
  markdown: [
    '# Bats\n\n| a | b |\n|---|---|\n| 1 | **2** [1] |\n\n1. one\n2. two\n\n> `[1]` <b>\n\n```js\nlet a = "[1]"\n```\n',
  ],
  'no citation': ['I think so.'],
}

export async function startModelServer() {
  const told = {
    /** What it does: a key of ANSWERS, `status 401`, `break off` … */
    behaviour: '',
    /**
     * What was asked of it; `isCut`: the client left before the end.
     *
     * @type {{ question: string, system: string, messages: any[], path: string, isCut: boolean }[]}
     */
    asked: [],
  }
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    const { messages, stream } = JSON.parse(body)
    const [system, question] = [messages[0], messages.at(-1)].map(({ content }) => content)
    const entry = { question, system, messages, path: request.url, isCut: false }
    told.asked.push(entry)
    response.on('close', () => (entry.isCut = !response.writableFinished))
    const status = Number(/status (\d{3})/.exec(told.behaviour)?.[1] ?? 200)
    if (status !== 200) {
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ error: { message: `This is ${status}.`, type: 'error', code: null } }))
    } else if (stream) await answer(response, told.behaviour)
    else {
      const content = (/Last question: (.*)$/s.exec(question)?.[1] ?? '').replace(/\bit\b/, 'the serotine')
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(completion({ finish_reason: 'stop', message: { role: 'assistant', content } })))
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(told, {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  })
}

async function answer(response, behaviour) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  const send = (choice) => response.write(`data: ${JSON.stringify(completion(choice))}\n\n`)
  send({ delta: { role: 'assistant', content: '' } })
  for (const piece of ANSWERS[behaviour] ?? ANSWER) {
    send({ delta: { content: piece } })
    await new Promise((resolve) => setTimeout(resolve, behaviour === 'slowly' ? 250 : 15))
    if (response.destroyed || behaviour === 'fall silent') return
    if (behaviour === 'break off') return response.destroy()
    if (behaviour === 'end without a word') return response.end()
  }
  send({ delta: {}, finish_reason: behaviour === 'too long' ? 'length' : 'stop' })
  response.end('data: [DONE]\n\n')
}

function completion(choice) {
  const choices = [{ index: 0, finish_reason: null, ...choice }]
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'test', choices }
}
