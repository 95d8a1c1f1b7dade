export { centroidsFor, trainCodebook, trainingTokens } from '../../packages/core/src/centroids/train.js'
export { MultiVectorIndex } from '../../packages/core/src/index/multi-vector-index.js'
