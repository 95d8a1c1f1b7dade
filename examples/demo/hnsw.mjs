// MUVERA's encodings in hnswlib-node, which is optional: a row of the table, or why there is none.
import { SerotineError } from '@serotine/core'
import { indexMethod } from '@serotine/core/evaluation'

/** What the row is replaced by. */
export const HNSWLIB_MISSING =
  'MUVERA in hnswlib was not measured: hnswlib-node is not installed. It is compiled when it is installed: install a C++ ' +
  'compiler, then run "npm install hnswlib-node" in your project; in this clone, delete node_modules and run the demo again.'

/**
 * Puts the index's encodings into an HNSW graph.
 *
 * @returns the method and the milliseconds it took, or undefined when hnswlib-node is not installed
 */
export async function hnswMethod(name, index, { candidates }) {
  const begun = performance.now()
  try {
    await index.prepare({ firstStage: 'hnsw' })
  } catch (error) {
    if (!SerotineError.isInstance(error) || error.code !== 'HNSWLIB_MISSING') throw error
    return undefined
  }
  const ms = performance.now() - begun
  const { documents, firstStages } = await index.stats()
  const found = firstStages.hnsw?.documents ?? 0
  // Else something else would answer in its place, and the row would say what it does not measure.
  if (found < documents) throw new Error(`The graph holds ${found} of ${documents} documents.`)
  return { method: indexMethod(name, index, { firstStage: 'hnsw', candidates }), ms }
}
