import { StringOutputParser } from '@langchain/core/output_parsers'
import { ChatPromptTemplate, MessagesPlaceholder } from '@langchain/core/prompts'
import { chatModel, hasModel } from '../../../../lib/chat-model'
import { readConversation, streamAnswer } from '../../../../lib/conversation'
import { openRetriever } from '../../../../lib/library'
import { formatPassage, sourcesOf } from '../../../../lib/passages'

// The model runs in this process, with threads and files: an edge runtime has neither.
export const runtime = 'nodejs'

const ANSWER = ChatPromptTemplate.fromMessages([
  [
    'system',
    `Answer from the passages below and from nothing else. Cite what you use by its number, like [1]. When they do not say it, say so.

{passages}`,
  ],
  new MessagesPlaceholder('history'),
  ['human', '{question}'],
])
const REWRITE = ChatPromptTemplate.fromMessages([
  new MessagesPlaceholder('history'),
  [
    'human',
    'Rewrite this question so that it can be understood without what was said before. Answer with the question only: {question}',
  ],
])

/** A chain: rewrite a question that goes on, retrieve, answer. */
export async function POST(request: Request): Promise<Response> {
  const messages = await readConversation(request)
  if (messages instanceof Response) return messages
  const question = messages.at(-1)!.text
  const history = messages.slice(0, -1)
  const { signal } = request
  return streamAnswer(async (out) => {
    const model = chatModel()
    const isAlone = history.length === 0 || !hasModel()
    const rewrite = REWRITE.pipe(model).pipe(new StringOutputParser())
    const asked = isAlone ? question : await rewrite.invoke({ history, question }, { signal })
    const found = await (await openRetriever()).invoke(asked, { signal })
    out.sources(sourcesOf(found))
    const passages = found.map((document, i) => formatPassage(document, i + 1)).join('\n\n')
    const chain = ANSWER.pipe(model).pipe(new StringOutputParser())
    for await (const delta of await chain.stream({ passages, history, question }, { signal })) out.text(delta)
  })
}
