// A server that speaks as much of OpenAI's protocol as a chat needs, so that the way to a real model is tested without one.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ChatRequest {
  model: string
  stream?: boolean
  messages: { role: string; content: unknown; tool_calls?: unknown }[]
  tools?: { function: { name: string } }[]
}
export type Reply = { text: string } | { tool: string; input: object } | { status: number; error: string }

/** Answers each request with what `reply` makes of it, and keeps the requests. */
export async function openaiServer(reply: (request: ChatRequest) => Reply) {
  const requests: ChatRequest[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString()) as ChatRequest
    requests.push(body)
    const answer = reply(body)
    if ('error' in answer) {
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: { message: answer.error, type: 'test' } }))
      return
    }
    const calls = 'tool' in answer && [
      {
        index: 0,
        id: 'call-1',
        type: 'function',
        function: { name: answer.tool, arguments: JSON.stringify(answer.input) },
      },
    ]
    const finish_reason = calls ? 'tool_calls' : 'stop'
    const head = { id: 'chat-1', created: 1, model: body.model }
    if (!body.stream) {
      const message = {
        role: 'assistant',
        content: 'text' in answer ? answer.text : null,
        ...(calls && { tool_calls: calls }),
      }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason }] }),
      )
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const deltas = calls
      ? [{ role: 'assistant', tool_calls: calls }]
      : (answer as { text: string }).text.split(/(?<= )/).map((content) => ({ role: 'assistant', content }))
    const send = (choice: object) =>
      response.write(
        `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }] })}\n\n`,
      )
    for (const delta of deltas) send({ delta, finish_reason: null })
    send({ delta: {}, finish_reason })
    response.end('data: [DONE]\n\n')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return {
    url,
    requests,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
