import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { LanguageModel } from 'ai'
import { extractiveModel } from './extractive-model.ts'

/**
 * Which model answers. With OPENAI_API_KEY one that speaks the protocol of OpenAI: theirs, or Ollama, LM Studio, vLLM … with
 * OPENAI_BASE_URL and OPENAI_MODEL. Without it, sentences are quoted and nothing is sent anywhere. Any other model of the AI SDK fits, too.
 */
export function chatModel(): LanguageModel {
  const apiKey = process.env['OPENAI_API_KEY']
  if (!apiKey) return extractiveModel()
  const baseURL = process.env['OPENAI_BASE_URL'] ?? 'https://api.openai.com/v1'
  return createOpenAICompatible({ name: 'openai', baseURL, apiKey })(process.env['OPENAI_MODEL'] ?? 'gpt-4o-mini')
}
