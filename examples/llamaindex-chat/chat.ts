// npm start: a conversation. npm start -- "May I work from Portugal?": one answer.
import { createInterface } from 'node:readline/promises'
import { openEngine } from './lib/engine.ts'
import { model } from './lib/library.ts'
import { placeOf } from './lib/numbered.ts'

const engine = await openEngine(process.env['DOCUMENTS'] ?? 'documents')

async function answer(message: string): Promise<void> {
  let text = ''
  let sources: string[] = []
  for await (const { delta, sourceNodes } of await engine.chat({ message, stream: true })) {
    text += delta
    sources = (sourceNodes ?? []).map(({ node }) => placeOf(node.metadata))
    process.stdout.write(delta)
  }
  process.stdout.write('\n')
  sources.forEach((place, i) => {
    if (text.includes(`[${i + 1}]`)) console.log(`  [${i + 1}] ${place}`)
  })
}

/** An error is said, and the conversation goes on. */
async function tryAnswer(message: string): Promise<void> {
  await answer(message).catch((error: unknown) => {
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
