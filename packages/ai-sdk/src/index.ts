export { colbertReranker } from './reranking-model.js'
export type { ColBERTRerankerOptions } from './reranking-model.js'
