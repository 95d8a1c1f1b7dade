import { ColBERTPostprocessor } from '@serotine/llamaindex'
import { OpenAI } from '@llamaindex/openai'
import { ContextChatEngine, PromptTemplate, Settings } from 'llamaindex'
import type { LLM } from 'llamaindex'
import { MuveraEmbedding } from './embedding.ts'
import { ExtractiveLLM } from './extractive-llm.ts'
import { model, openLibrary } from './library.ts'
import { NumberedPassages } from './numbered.ts'

const PROMPT = `Answer from the passages below and from nothing else. Cite what you use by its number, like [1]. When they do not say it, say so.

{context}`

/**
 * Which model answers. With OPENAI_API_KEY one that speaks the protocol of OpenAI: theirs, or Ollama, LM Studio, vLLM … with
 * OPENAI_BASE_URL and OPENAI_MODEL. Without it, sentences are quoted and nothing is sent anywhere. Any other LLM of LlamaIndex fits, too.
 */
function chatModel(): LLM {
  if (!process.env['OPENAI_API_KEY']) return new ExtractiveLLM()
  return new AnyOpenAI({ model: process.env['OPENAI_MODEL'] ?? 'gpt-4o-mini' })
}

/** LlamaIndex takes models whose name it does not know for ones that read 1,024 tokens, and leaves out the passages. */
class AnyOpenAI extends OpenAI {
  override get metadata() {
    return { ...super.metadata, contextWindow: Math.max(super.metadata.contextWindow, 32_000) }
  }
}

/** A chat engine over the files of a folder. It remembers what was said. */
export async function openEngine(folder: string): Promise<ContextChatEngine> {
  Settings.embedModel = new MuveraEmbedding(model)
  const library = await openLibrary(folder)
  return new ContextChatEngine({
    // Twenty candidates by one vector each; the words of the question then decide which four are read.
    retriever: library.asRetriever({ similarityTopK: 20 }),
    nodePostprocessors: [new ColBERTPostprocessor({ model, topN: 4 }), new NumberedPassages()],
    chatModel: chatModel(),
    contextSystemPrompt: new PromptTemplate({ templateVars: ['context'], template: PROMPT }),
  })
}
