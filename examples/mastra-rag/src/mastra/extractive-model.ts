// A language model that is none: it asks its tool for the question, then quotes what the tool returned. No key, no request.
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import type { PassageMetadata } from './rag/library.ts'
import { extract } from './rag/extract.ts'

const none = undefined
const usage = {
  inputTokens: { total: none, noCache: none, cacheRead: none, cacheWrite: none },
  outputTokens: { total: none, text: none, reasoning: none },
}
const finished = (content: LanguageModelV4Content) => ({
  finishReason: { unified: content.type === 'tool-call' ? ('tool-calls' as const) : ('stop' as const), raw: undefined },
  usage,
})

export function extractiveModel(): LanguageModelV4 {
  return {
    specificationVersion: 'v4',
    provider: 'serotine',
    modelId: 'extractive',
    supportedUrls: {},
    async doGenerate(options) {
      const content = await answer(options)
      return { content: [content], warnings: [], ...finished(content) }
    },
    async doStream(options) {
      const content = await answer(options)
      return { stream: streamOf(content) }
    },
  }
}

async function answer({ prompt, abortSignal }: LanguageModelV4CallOptions): Promise<LanguageModelV4Content> {
  const question = questionOf(prompt)
  const found = resultOf(prompt)
  if (found === undefined) {
    const input = JSON.stringify({ queryText: question, topK: 12 })
    return { type: 'tool-call', toolCallId: `call-${prompt.length}`, toolName: 'search_documents', input }
  }
  const passages = found.map(({ text }, i) => ({ number: i + 1, text }))
  return { type: 'text', text: await extract(question, passages, abortSignal) }
}

/** What the user said last. */
function questionOf(prompt: LanguageModelV4Prompt): string {
  const message = prompt.findLast(({ role }) => role === 'user')
  if (message?.role !== 'user') return ''
  return message.content.map((part) => (part.type === 'text' ? part.text : '')).join('\n')
}

/** What the tool found for it; nothing while it has not been asked. */
function resultOf(prompt: LanguageModelV4Prompt): PassageMetadata[] | undefined {
  const last = prompt.at(-1)
  if (last?.role !== 'tool') return undefined
  const result = last.content.find((part) => part.type === 'tool-result')
  if (result?.output.type !== 'json') return []
  return (result.output.value as unknown as { relevantContext: PassageMetadata[] }).relevantContext
}

function streamOf(content: LanguageModelV4Content): ReadableStream<LanguageModelV4StreamPart> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue({ type: 'stream-start', warnings: [] })
      if (content.type === 'tool-call') controller.enqueue(content)
      if (content.type === 'text') {
        controller.enqueue({ type: 'text-start', id: 'answer' })
        for (const delta of content.text.split(/(?<= )/))
          controller.enqueue({ type: 'text-delta', id: 'answer', delta })
        controller.enqueue({ type: 'text-end', id: 'answer' })
      }
      controller.enqueue({ type: 'finish', ...finished(content) })
      controller.close()
    },
  })
}
