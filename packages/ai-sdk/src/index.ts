export { colbertReranker } from './reranking-model.js'
export type { ColBERTRerankerOptions, Scorer } from './reranking-model.js'
