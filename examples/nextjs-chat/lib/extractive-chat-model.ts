import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager'
import { BaseChatModel } from '@langchain/core/language_models/chat_models'
import type { BaseChatModelParams, BindToolsInput } from '@langchain/core/language_models/chat_models'
import { AIMessageChunk } from '@langchain/core/messages'
import type { BaseMessage } from '@langchain/core/messages'
import { ChatGenerationChunk } from '@langchain/core/outputs'
import type { ChatResult } from '@langchain/core/outputs'
import { extract } from './extract'
import { readPassages } from './passages'

/**
 * A chat model that is none: it quotes the sentences of the passages it was given that say most about the question. When it has a tool, it
 * asks the tool first.
 */
export class ExtractiveChatModel extends BaseChatModel {
  readonly #tool: string | undefined

  constructor({ tool, ...fields }: BaseChatModelParams & { tool?: string }) {
    super(fields)
    this.#tool = tool
  }

  _llmType(): string {
    return 'extractive'
  }

  override bindTools([tool]: BindToolsInput[]) {
    return new ExtractiveChatModel({ tool: (tool as { name: string }).name }) as never
  }

  async _generate(messages: BaseMessage[], options: this['ParsedCallOptions']): Promise<ChatResult> {
    const message = await this.#answer(messages, options.signal)
    return { generations: [{ text: message.text, message }] }
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    run?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const message = await this.#answer(messages, options.signal)
    const parts =
      message.text === '' ? [message] : message.text.split(/(?<= )/).map((content) => new AIMessageChunk({ content }))
    for (const part of parts) {
      yield new ChatGenerationChunk({ text: part.text, message: part })
      await run?.handleLLMNewToken(part.text)
    }
  }

  async #answer(messages: BaseMessage[], signal?: AbortSignal): Promise<AIMessageChunk> {
    const textOf = (type: string) => messages.findLast((message) => message.type === type)?.text ?? ''
    const question = textOf('human')
    if (this.#tool !== undefined && messages.at(-1)?.type !== 'tool') {
      const call = {
        id: `call-${messages.length}`,
        name: this.#tool,
        args: JSON.stringify({ query: question }),
        index: 0,
      }
      return new AIMessageChunk({ content: '', tool_call_chunks: [{ ...call, type: 'tool_call_chunk' }] })
    }
    const passages = readPassages(textOf(this.#tool === undefined ? 'system' : 'tool'))
    return new AIMessageChunk({ content: await extract(question, passages, signal) })
  }
}
