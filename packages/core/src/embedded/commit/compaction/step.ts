import type { Segment } from '../../format/segment.js'
import { createSegment, slices } from './compaction.js'
import type { CompactionContext, Made, Written } from './compaction.js'
import { copyDocument } from './copy.js'

/**
 * Copies what lives in segments that follow each other into new ones. Of deleted documents rows stay, without their bytes, so that no ordinal
 * changes: nothing that first stages keep, in files or in memory, has to be touched.
 *
 * @param group of the same codebook
 * @param made what was made is put into it as soon as it is there
 */
export async function writeStep(
  context: CompactionContext,
  group: readonly Segment[],
  made: Made[],
  signal?: AbortSignal,
): Promise<Written> {
  const { collection, manifest, segmentBytes } = context
  const living = collection.living()
  const created: Segment[] = []
  const turn = slices(signal)
  let ordinal = collection.stored.startOf(collection.segments.indexOf(group[0]!))
  for (const segment of group) {
    for (const [i, row] of segment.rows.entries()) {
      let target = created.at(-1)
      if (!target || target.tokenBytes >= segmentBytes)
        created.push((target = createSegment(context, made, segment.codebook)))
      if (living.has(ordinal++)) copyDocument(segment, i, target)
      else target.appendGone(row)
      await turn()
    }
  }
  await Promise.all(created.map((segment) => segment.sync()))
  const segments = collection.segments.flatMap((each) => {
    if (each === group[0]) return created
    return group.includes(each) ? [] : each
  })
  return { created, replaced: group, next: { ...manifest, segments: segments.map((each) => each.manifest) } }
}
