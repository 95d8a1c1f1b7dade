import { AIMessageChunk, ToolMessage } from '@langchain/core/messages'
import { createSourcesTool } from '@serotine/langchain'
import { createAgent } from 'langchain'
import { chatModel } from '../../../../lib/chat-model'
import { readConversation, streamAnswer } from '../../../../lib/conversation'
import { openRetriever } from '../../../../lib/library'
import { formatPassage, sourcesOf } from '../../../../lib/passages'

export const runtime = 'nodejs'

const INSTRUCTIONS = `You answer from documents. Search them before you answer, more than once if need be, and answer from nothing else.
Cite what you use by its number in the last search, like [1]. When the documents do not say it, say so.`

/** An agent that decides itself what it searches for, and how often. */
export async function POST(request: Request): Promise<Response> {
  const messages = await readConversation(request)
  if (messages instanceof Response) return messages
  return streamAnswer(async (out) => {
    const search = createSourcesTool(await openRetriever(), {
      name: 'search_documents',
      description: 'Finds the passages of the documents that say most about a question.',
      format: formatPassage,
    })
    const agent = createAgent({ model: chatModel(), tools: [search], systemPrompt: INSTRUCTIONS })
    for await (const [message] of await agent.stream(
      { messages },
      { streamMode: 'messages', signal: request.signal },
    )) {
      if (AIMessageChunk.isInstance(message)) out.text(message.text)
      if (ToolMessage.isInstance(message) && Array.isArray(message.artifact)) out.sources(sourcesOf(message.artifact))
    }
  })
}
