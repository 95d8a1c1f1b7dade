// A LangChain.js retriever over a handful of texts: index, search, filter, a threshold, and a prompt with citations.
import { Document } from '@langchain/core/documents'
import { ChatPromptTemplate } from '@langchain/core/prompts'
import { RunnableLambda, RunnablePassthrough } from '@langchain/core/runnables'
import { ColBERT } from '@serotine/core'
import { ColBERTRetriever } from '@serotine/langchain'

const handbook = [
  ['remote.md', 'hr', 'Employees may work from home up to three days a week after their trial period.'],
  ['remote.md', 'hr', 'Working from another country needs the approval of the people team, because of tax.'],
  ['expenses.md', 'finance', 'Send receipts within thirty days; hotels are paid back up to 180 euros a night.'],
  ['expenses.md', 'finance', 'Train tickets in second class need no approval, flights do.'],
  ['security.md', 'it', 'Report a lost laptop to the service desk at once, day or night.'],
  ['security.md', 'it', 'Passwords live in the password manager, never in chat or mail.'],
  ['onboarding.md', 'hr', 'New colleagues get a buddy for their first two months.'],
]
const documents = handbook.map(
  ([source, team, pageContent], i) => new Document({ id: `${source}#${i}`, pageContent, metadata: { source, team } }),
)

const model = await ColBERT.load()
// In memory; `folder: './handbook-index'` would keep it, and fromExistingIndex('./handbook-index') open it again.
const retriever = await ColBERTRetriever.fromDocuments(documents, { model, k: 2 })

const show = (title, found) => {
  console.log(title)
  for (const { id, pageContent, metadata } of found)
    console.log(`  ${metadata.relevanceScore.toFixed(3)}  ${id}  ${pageContent}`)
  if (found.length === 0) console.log('  nothing found')
}

show('May I work from another country?', await retriever.invoke('May I work from another country?'))
show(
  '\n… in the texts of IT only',
  await retriever.invoke('Somebody stole my computer', { filter: { team: 'it' }, k: 1 }),
)
show('\n… and at least .95 alike', await retriever.invoke('Who won the cup final?', { scoreThreshold: 0.95 }))

// The retriever is a runnable: pipe it into a prompt, and that into any chat model.
const cite = (found) =>
  found.map(({ pageContent, metadata }, i) => `[${i + 1}] ${pageContent} (${metadata.source})`).join('\n')
const prompt = ChatPromptTemplate.fromTemplate('Answer with citations.\n\n{sources}\n\nQuestion: {question}')
const chain = RunnablePassthrough.assign({
  sources: RunnableLambda.from(({ question }) => question)
    .pipe(retriever)
    .pipe(cite),
}).pipe(prompt)
console.log(`\n${(await chain.invoke({ question: 'Do I need permission to fly?' })).toString()}`)

// Stops for real: the signal reaches the encoder. `{ timeout: 2000 }` works the same way.
const stopped = await retriever.invoke('never mind', { signal: AbortSignal.abort() }).catch((error) => error.name)
console.log(`\nAborted: ${stopped}`)

await retriever.index.close()
await model.close()
