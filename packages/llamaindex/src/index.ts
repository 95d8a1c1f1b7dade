export { ColBERTPostprocessor } from './postprocessor.js'
export type { ColBERTPostprocessorOptions } from './postprocessor.js'
export type { NodeMetadataMode } from './node.js'
