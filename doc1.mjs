import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRetrieval, indexStage, readBeir } from '@serotine/core/evaluation'

const dataset = await readBeir('./test/fixtures/beir-mini')
const model = await ColBERT.load()
const index = await MultiVectorIndex.open(undefined, { model, fde: 'compact' })
await index.upsert(dataset.documents)
const { stages } = await evaluateRetrieval({
  dataset,
  model,
  stages: [
    indexStage('exact', index, { stage: 'exact' }),
    indexStage('centroid codes', index, { stage: 'centroids', candidates: 100 }),
    indexStage('MUVERA', index, { stage: 'fde', candidates: 100 }),
    indexStage('MUVERA alone', index, { stage: 'fde', rerank: false }),
    indexStage('the index’s default', index),
  ],
})
// [{ name, metrics: { 'ndcg@10': …, 'recall@100': … }, exactTop10, foundBy, perQuery, run, searchMs }]

console.log(stages.map(s=>[s.name,s.metrics['ndcg@10'],s.foundBy]))
