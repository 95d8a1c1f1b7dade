import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import type { OnWarning } from '../../errors.js'
import type { Qrels } from '../run.js'
import type { TestCollection } from './test-collection.js'

/** BEIR's and MTEB's names of the two, with what exporters add. */
const KNOWN_TO_NEED =
  /^(?:(?:beir|mteb|nano)[-_ ]?)*(?:arguana|quora)(?:[-_ ]?(?:retrieval|hard[-_ ]?negatives|pl|nl|fa|vn|v?\d+))*$/i

/** Whether a collection of this name needs documents with a query's id left out. */
export function needsIdenticalIdsIgnored(name: string): boolean {
  return KNOWN_TO_NEED.test(name)
}

/**
 * Refuses collections whose evaluation would be a table of zeros, and tells of judged documents that are not there, which BEIR
 * counts as not found.
 *
 * @throws INPUT_FORMAT: judgments of a query that is not there; no relevant document, or none that the corpus holds
 */
export function checkedCollection(
  folder: string,
  collection: TestCollection,
  onWarning: OnWarning | undefined,
): TestCollection {
  const { name, split, documents, queries, qrels } = collection
  const what = `The ${split} judgments of ${folder}`
  const present = new Set(queries.map(({ id }) => id))
  const absent = [...qrels.keys()].find((id) => !present.has(id))
  if (absent !== undefined) {
    throw new SerotineError('INPUT_FORMAT', `${what} name query ${describe(absent)}, which is not among its queries.`)
  }
  const { judged, missing } = checkJudgments(what, qrels, new Set(documents.map(({ id }) => id)), 'INPUT_FORMAT')
  const [first] = missing
  if (first !== undefined) {
    onWarning?.({
      code: 'JUDGED_MISSING',
      message:
        `${missing.size} of ${judged} documents that ${folder} judges are not in its corpus, ${describe(first)} for one; ` +
        `they count as not found, as in BEIR.`,
    })
  }
  return needsIdenticalIdsIgnored(name) ? { ...collection, ignoreIdenticalIds: true } : collection
}

/**
 * How many documents are judged, and which of them are not among those there are.
 *
 * @throws `code` when nothing is relevant, or nothing relevant is there
 */
export function checkJudgments(
  what: string,
  qrels: Qrels,
  present: ReadonlySet<string> | undefined,
  code: 'INPUT_FORMAT' | 'INVALID_ARGUMENT',
): { judged: number; missing: ReadonlySet<string> } {
  const judged = new Set<string>()
  const missing = new Set<string>()
  let relevant: string | undefined
  let found = false
  for (const judgments of qrels.values()) {
    for (const [id, grade] of judgments) {
      judged.add(id)
      const isThere = present?.has(id) ?? true
      if (!isThere) missing.add(id)
      if (grade <= 0) continue
      relevant ??= id
      found ||= isThere
    }
  }
  if (relevant === undefined) {
    throw new SerotineError(code, `${what} call no document relevant: no grade is above 0. Every metric would be 0.`)
  }
  if (!found) {
    throw new SerotineError(
      code,
      `${what} call ${describe(relevant)} relevant, but the corpus holds no relevant document. Every metric would be 0; ` +
        `check that judgments and corpus write ids the same way.`,
    )
  }
  return { judged: judged.size, missing }
}
