import { AIMessage, HumanMessage } from '@langchain/core/messages'
import type { BaseMessage } from '@langchain/core/messages'
import { createUIMessageStream, createUIMessageStreamResponse } from 'ai'
import type { UIMessage } from 'ai'
import type { Source } from './passages'

/** A message of the page: an answer brings the passages it was made of. */
export type ChatMessage = UIMessage<never, { sources: Source[] }>

/** The messages of a request, or a response that says what is wrong with it. */
export async function readConversation(request: Request): Promise<BaseMessage[] | Response> {
  const body = (await request.json().catch(() => undefined)) as { messages?: ChatMessage[] } | undefined
  const messages = Array.isArray(body?.messages) ? body.messages.map(toLangChain) : []
  if (messages.at(-1)?.type === 'human' && messages.at(-1)?.text.trim() !== '') return messages
  return Response.json({ error: 'Send { messages: [ … ] } whose last one is a question.' }, { status: 400 })
}

function toLangChain({ role, parts }: ChatMessage): BaseMessage {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
  return role === 'user' ? new HumanMessage(text) : new AIMessage(text)
}

/** What `useChat` reads: sources as soon as they are found, and the text as it comes. */
export function streamAnswer(
  answer: (out: { sources(sources: Source[]): void; text(delta: string): void }) => Promise<void>,
): Response {
  const stream = createUIMessageStream<ChatMessage>({
    async execute({ writer }) {
      const id = 'answer'
      writer.write({ type: 'text-start', id })
      await answer({
        sources: (data) => writer.write({ type: 'data-sources', data }),
        text: (delta) => {
          if (delta !== '') writer.write({ type: 'text-delta', id, delta })
        },
      })
      writer.write({ type: 'text-end', id })
    },
    // The page shows it; say less where strangers ask.
    onError: (error) => (error instanceof Error ? error.message : String(error)),
  })
  return createUIMessageStreamResponse({ stream })
}
