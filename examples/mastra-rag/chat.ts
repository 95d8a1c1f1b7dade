// npm start: a conversation. npm start -- "May I work from Portugal?": one answer.
import { createInterface } from 'node:readline/promises'
import { mastra } from './src/mastra/index.ts'
import { model } from './src/mastra/rag/embedding.ts'
import { fillLibrary } from './src/mastra/rag/library.ts'
import type { PassageMetadata } from './src/mastra/rag/library.ts'

await fillLibrary(process.env['DOCUMENTS'] ?? 'documents')
const agent = mastra.getAgent('librarian')
const said: ({ role: 'user'; content: string } | { role: 'assistant'; content: string })[] = []

async function answer(question: string): Promise<void> {
  said.push({ role: 'user', content: question })
  const stream = await agent.stream(said, { maxSteps: 5 })
  let text = ''
  for await (const delta of stream.textStream) {
    text += delta
    process.stdout.write(delta)
  }
  process.stdout.write('\n')
  if (stream.error) throw stream.error
  said.push({ role: 'assistant', content: text })
  const found = (await stream.toolResults).at(-1)?.payload.result as { relevantContext: PassageMetadata[] } | undefined
  found?.relevantContext.forEach(({ source, line }, i) => {
    if (text.includes(`[${i + 1}]`)) console.log(`  [${i + 1}] ${source}:${line}`)
  })
}

/** An error is said, and the conversation goes on without the question. */
async function tryAnswer(question: string): Promise<void> {
  const before = said.length
  await answer(question).catch((error: unknown) => {
    said.length = before
    process.exitCode = 1
    console.error(error instanceof Error ? error.message : error)
  })
}

const question = process.argv.slice(2).join(' ').trim()
if (question !== '') await tryAnswer(question)
else {
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' })
  console.log('Ask your documents. An empty line ends.')
  terminal.prompt()
  for await (const line of terminal) {
    if (line.trim() === '') break
    await tryAnswer(line)
    terminal.prompt()
  }
  terminal.close()
}
await model.close()
