export { compareStages } from './compare.js'
export { encodedCollection } from './encoded.js'
export { KeywordStage } from './keyword-stage.js'
export { formatStagesReport } from './report.js'
