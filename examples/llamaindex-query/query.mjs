// A LlamaIndex.TS query engine: its own vector index finds candidates, ColBERTPostprocessor puts them in order.
import { MockLLM } from '@llamaindex/core/llms/mock'
import { ColBERT } from '@serotine/core'
import { FdeEncoder, resolveFdeConfig } from '@serotine/core/muvera'
import { ColBERTPostprocessor } from '@serotine/llamaindex'
import { BaseEmbedding, Document, Settings, VectorStoreIndex } from 'llamaindex'

const model = await ColBERT.load()

// LlamaIndex wants one vector per text. Any embedding will do; this one makes it from the same model, so nothing is downloaded.
class FdeEmbedding extends BaseEmbedding {
  #fde = new FdeEncoder(resolveFdeConfig({ dim: model.dim, preset: 'small' }))
  async getTextEmbedding(text) {
    const [embeddings] = await model.encodeDocuments([text])
    return Array.from(this.#fde.encodeDocument(embeddings))
  }
  async getQueryEmbedding({ text }) {
    const [embeddings] = await model.encodeQueries([text])
    return Array.from(this.#fde.encodeQuery(embeddings))
  }
}
Settings.embedModel = new FdeEmbedding()
// Stands in for a language model, so that this runs offline.
Settings.llm = new MockLLM({ responseMessage: 'Kiwis and emus cannot fly.' })

const texts = {
  kiwi: 'The kiwi is a flightless bird of New Zealand that is active at night.',
  emu: 'The emu is a tall bird of Australia that cannot fly but runs fast.',
  falcon: 'The peregrine falcon dives at more than three hundred kilometres per hour.',
  tern: 'The Arctic tern migrates from pole to pole every year.',
  owl: 'Barn owls hunt mice in the dark by hearing alone.',
}
const index = await VectorStoreIndex.fromDocuments(
  Object.entries(texts).map(([id_, text]) => new Document({ id_, text })),
)

const engine = index.asQueryEngine({
  similarityTopK: 5,
  nodePostprocessors: [new ColBERTPostprocessor({ model, topN: 2, keepRetrievalScore: true })],
})
const { message, sourceNodes } = await engine.query({ query: 'Which birds are unable to fly?' })

console.log(message.content)
for (const { node, score } of sourceNodes) {
  console.log(
    `  ${score.toFixed(3)}  (first stage ${node.metadata.retrieval_score.toFixed(3)})  ${node.sourceNode.nodeId}`,
  )
}
await model.close()
