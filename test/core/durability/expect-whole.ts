import { deepEqual, equal, ok } from 'node:assert/strict'
import { verifyIndex } from '../../../packages/core/src/embedded/verify/verify-index.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { Comparison } from './plain-index.js'
import type { State } from './plain-index.js'
import { documentOf } from './steps.js'
import { model, optionsOf } from './workload.js'

export interface Left {
  /** One of these has to be there, the last that fits is taken. */
  readonly allowed: readonly State[]
  /** It was said that there is an index. */
  readonly isMade: boolean
  /** Whether first stages are to make what is missing, which takes its time. */
  readonly learns?: boolean
}

/**
 * An index that was left in a hurry holds what was acknowledged, answers as it should, and nothing is damaged.
 *
 * @param name of the index in `INDEXES`
 * @returns which of the states it is
 */
export async function expectWhole(folder: string, name: string, { allowed, isMade, learns }: Left): Promise<State> {
  const warnings: string[] = []
  const options = optionsOf(name, ({ code, message }) => warnings.push(`${code} ${message}`))
  const comparison = new Comparison(model, options.codec ?? 'int8')
  if (isMade) deepEqual((await verifyIndex(folder)).problems, [])
  const index = await MultiVectorIndex.open(folder, { ...options, create: !isMade })
  try {
    const wrong = await Promise.all(allowed.map((each) => comparison.contents(index, each)))
    const found = wrong.lastIndexOf(undefined)
    ok(found >= 0, wrong.join('\n'))
    const state = allowed[found]!
    const expectSearches = async () => {
      const query = documentOf({ kind: 'query', topic: 0, n: 5, length: 6 }).text
      for (const firstStage of [undefined, 'exact'] as const) {
        const k = state.size + 10
        const hits = await index.search(query, { k, candidates: k, ...(firstStage && { firstStage }) })
        equal(comparison.hits(hits, query, state, { k }), undefined)
      }
    }
    await expectSearches()
    if (learns) {
      await index.prepare()
      await expectSearches()
    }
    deepEqual(await index.verify(), [])
    deepEqual(warnings, [])
    return state
  } finally {
    await index.close({ prepare: false })
  }
}
