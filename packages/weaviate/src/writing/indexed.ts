import type { Cluster } from '../cluster.js'
import { pause } from '../client/pause.js'

/** Waits until searches find what is written. */
export async function untilIndexed(cluster: Cluster, signal: AbortSignal | undefined): Promise<void> {
  for (let wait = 20; (await cluster.waiting({ signal })) > 0; wait = Math.min(500, wait * 1.5)) {
    await pause(wait, signal)
  }
}
