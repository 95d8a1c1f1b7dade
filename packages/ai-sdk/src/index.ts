export { createSerotine, serotine } from './provider.js'
export type { SerotineProvider, SerotineProviderOptions } from './provider.js'
export { colbertReranker } from './reranking-model.js'
export type { ColBERTRerankerOptions } from './reranking-model.js'
