import type { AgentConfig } from '@mastra/core/agent'
import { extractiveModel } from './extractive-model.ts'

/**
 * Which model answers. With OPENAI_API_KEY one that speaks the protocol of OpenAI: theirs, or Ollama, LM Studio, vLLM … with
 * OPENAI_BASE_URL and OPENAI_MODEL. Without it, sentences are quoted and nothing is sent anywhere. Any other model of Mastra fits, too.
 */
export function chatModel(): AgentConfig['model'] {
  const apiKey = process.env['OPENAI_API_KEY']
  // Mastra has its own copy of the AI SDK's types.
  if (!apiKey) return extractiveModel() as never
  const url = process.env['OPENAI_BASE_URL'] ?? 'https://api.openai.com/v1'
  return { id: `openai/${process.env['OPENAI_MODEL'] ?? 'gpt-4o-mini'}`, url, apiKey }
}
