// rerank() of the AI SDK with a model that runs in this process: no key, no request, no download.
import { colbertReranker } from '@serotine/ai-sdk'
import { ColBERT } from '@serotine/core'
import { rerank } from 'ai'

const model = await ColBERT.load()
const products = [
  { name: 'Rain jacket', description: 'Waterproof to 20,000 mm, packs into its own pocket.' },
  { name: 'Trail shoes', description: 'Grip on mud and wet rock, drain quickly after a stream.' },
  { name: 'Down jacket', description: 'Goose down for dry cold, loses its warmth when wet.' },
  { name: 'Head torch', description: '400 lumens, charges over USB, lasts a night.' },
]

const { ranking } = await rerank({
  model: colbertReranker({ model, toText: ({ name, description }) => `${name}: ${description}` }),
  query: 'a coat that keeps the rain out',
  documents: products,
  topN: 2,
})

for (const { score, originalIndex, document } of ranking)
  console.log(`${score.toFixed(3)}  ${originalIndex}  ${document.name}`)
await model.close()
