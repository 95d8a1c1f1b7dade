import { BaseLLM } from '@llamaindex/core/llms'
import type {
  ChatResponse,
  ChatResponseChunk,
  LLMChatParamsNonStreaming,
  LLMChatParamsStreaming,
  LLMMetadata,
} from '@llamaindex/core/llms'
import { extractText } from '@llamaindex/core/utils'
import { extract } from './extract.ts'
import { readNumbered } from './numbered.ts'

/** A language model that is none: it quotes the sentences of the passages in its prompt that say most about the question. */
export class ExtractiveLLM extends BaseLLM {
  metadata: LLMMetadata = {
    model: 'extractive',
    temperature: 0,
    topP: 1,
    contextWindow: 100_000,
    tokenizer: undefined,
    structuredOutput: false,
  }

  override chat(params: LLMChatParamsStreaming): Promise<AsyncIterable<ChatResponseChunk>>
  override chat(params: LLMChatParamsNonStreaming): Promise<ChatResponse>
  override async chat({
    messages,
    stream,
  }: LLMChatParamsStreaming | LLMChatParamsNonStreaming): Promise<AsyncIterable<ChatResponseChunk> | ChatResponse> {
    const said = (role: string) => extractText(messages.findLast((message) => message.role === role)?.content ?? '')
    const content = await extract(said('user'), readNumbered(said('system')))
    return stream ? wordsOf(content) : { message: { role: 'assistant', content }, raw: null }
  }
}

async function* wordsOf(text: string): AsyncGenerator<ChatResponseChunk> {
  for (const delta of text.split(/(?<= )/)) yield { delta, raw: null }
}
