export { ColBERTPostprocessor } from './postprocessor.js'
export type { ColBERTPostprocessorOptions, Scorer } from './postprocessor.js'
export type { NodeMetadataMode } from './node.js'
