// An agent with a search tool whose sources are not lost: texts for the model, documents for the app.
import { Document } from '@langchain/core/documents'
import { ColBERT } from '@serotine/core'
import { ColBERTRetriever, createSourcesTool } from '@serotine/langchain'
import { AIMessage, createAgent, fakeModel, ToolMessage } from 'langchain'

const texts = [
  ['kiwi.md', 'The kiwi is a flightless bird of New Zealand that is active at night.'],
  ['emu.md', 'The emu is a tall bird of Australia that cannot fly but runs fast.'],
  ['falcon.md', 'The peregrine falcon dives at more than three hundred kilometres per hour.'],
  ['tern.md', 'The Arctic tern migrates from pole to pole every year.'],
]
const question = 'Which bird migrates between the poles?'

const model = await ColBERT.load()
const retriever = await ColBERTRetriever.fromDocuments(
  texts.map(([source, pageContent]) => new Document({ id: source, pageContent, metadata: { source } })),
  { model, k: 2 },
)
const search = createSourcesTool(retriever, { name: 'search_birds', description: 'Finds facts about birds.' })

// A script stands in for a language model, so that this runs offline. Put your own here: any chat model of LangChain.
const llm = fakeModel()
  .respondWithTools([{ name: 'search_birds', args: { query: question } }])
  .respond((messages) => {
    const [first] = messages.at(-1).content.split('\n\n')
    return new AIMessage(`${first.replace(/^\[1\] \(.*?\) /, '')} [1]`)
  })

const agent = createAgent({ model: llm, tools: [search] })
const { messages } = await agent.invoke({ messages: [{ role: 'user', content: question }] })

const sources = messages.find((message) => ToolMessage.isInstance(message)).artifact
console.log(`Question  ${question}`)
console.log(`Answer    ${messages.at(-1).content}`)
for (const { id, metadata } of sources)
  console.log(`[${metadata.rank}]       ${id}  ${metadata.relevanceScore.toFixed(3)}`)

await retriever.index.close()
await model.close()
