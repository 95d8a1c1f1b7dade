import {
  convertToModelMessages,
  createUIMessageStreamResponse,
  isStepCount,
  streamText,
  tool,
  toUIMessageStream,
} from 'ai'
import type { UIMessage } from 'ai'
import { z } from 'zod'
import { createResource } from '../../../lib/actions/resources.ts'
import { findRelevantContent } from '../../../lib/ai/embedding.ts'
import { chatModel } from '../../../lib/ai/model.ts'

const INSTRUCTIONS = `You answer from documents. Call getInformation before every answer, and answer from nothing else. Cite what you
use by its number, like [1]. When the documents do not say it, say so.`

export async function POST(request: Request): Promise<Response> {
  const { messages } = (await request.json()) as { messages?: UIMessage[] }
  if (!Array.isArray(messages) || messages.length === 0) {
    return Response.json({ error: 'Send { messages: [ … ] } with at least one message.' }, { status: 400 })
  }
  const result = streamText({
    model: chatModel(),
    instructions: INSTRUCTIONS,
    messages: await convertToModelMessages(messages),
    stopWhen: isStepCount(5),
    abortSignal: request.signal,
    onError: ({ error }) => console.error(messageOf(error)),
    tools: {
      getInformation: tool({
        description: 'Finds the passages of the documents that say most about a question.',
        inputSchema: z.object({ question: z.string().describe("the user's question") }),
        execute: ({ question }) => findRelevantContent(question),
      }),
      addResource: tool({
        description: 'Remembers something that the user tells without asking a question.',
        inputSchema: z.object({ content: z.string().describe('what to remember') }),
        execute: createResource,
      }),
    },
  })
  // The page shows the message; strip it where strangers ask.
  return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream, onError: messageOf }) })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
