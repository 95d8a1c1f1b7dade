// A server that speaks OpenAI's protocol and does what the question says: answers, fails, breaks off, falls silent.
import { createServer } from 'node:http'

/**
 * @typedef {object} Asked
 * @property {string} question the last thing the user said
 * @property {string} system
 * @property {{ role: string, content: string }[]} messages
 * @property {boolean} isCut the client left before the end
 */

/** Pieces of the answer to a question, and milliseconds between them. */
const ANSWERS = [
  [
    /script/,
    [
      '<img src=x onerror="noteFault(1)"> <script>noteFault(2)</script> [bad](javascript:noteFault(3)) ![p](https://evil.example/p.png) [1]',
    ],
  ],
  [/source that is not there/, ['This is known [7] and that, too [1, 9]. [1]: https://evil.example']],
  [/table/, ['| a | b |\n|---|---|\n| 1 | **2** [1] |\n\n1. one\n2. two\n\n```js\nlet a = "[1]"\n```\n']],
  [/nothing cited/, ['I think so.']],
]

export async function startModelServer() {
  /** @type {Asked[]} */
  const asked = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    const { messages, stream } = JSON.parse(body)
    const textOf = ({ content }) => (typeof content === 'string' ? content : content.map(({ text }) => text).join(''))
    const question = textOf(messages.at(-1))
    const entry = {
      question,
      system: textOf(messages[0]),
      messages,
      isCut: false,
      path: request.url,
      key: request.headers.authorization,
    }
    asked.push(entry)
    response.on('close', () => (entry.isCut = !response.writableFinished))
    const status = Number(/status (\d{3})/.exec(question)?.[1] ?? 200)
    if (status !== 200) {
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ error: { message: `This is ${status}.`, type: 'error', code: null } }))
      return
    }
    if (!stream) {
      const rewritten = /Last question: (.*)$/s.exec(question)?.[1] ?? question
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(
        JSON.stringify(
          completion({ message: { role: 'assistant', content: rewritten.replace(/\bit\b/, 'the serotine') } }),
        ),
      )
      return
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    const send = (choice) => response.write(`data: ${JSON.stringify(completion(choice))}\n\n`)
    send({ delta: { role: 'assistant', content: '' } })
    const known = ANSWERS.find(([what]) => what.test(question))?.[1]
    const pieces =
      known ?? 'The **serotine** leaves early, *soon* after sunset [1]. It flies slowly [1][2].'.match(/\S+\s*/g)
    for (const piece of pieces) {
      send({ delta: { content: piece } })
      await new Promise((resolve) => setTimeout(resolve, /slowly/.test(question) ? 100 : 15))
      if (response.destroyed) return
      if (/break off/.test(question)) return response.destroy()
      if (/end without a word/.test(question)) return response.end()
      if (/fall silent/.test(question)) return
    }
    send({ delta: {}, finish_reason: /too long/.test(question) ? 'length' : 'stop' })
    response.end('data: [DONE]\n\n')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    asked,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function completion(choice) {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'test',
    choices: [{ index: 0, finish_reason: choice.message ? 'stop' : null, ...choice }],
  }
}
