import { SerotineError } from '@serotine/core'
import type { ServedIndex } from '../options.js'

/** Milliseconds that a search waits for what was committed since; with a large index it is answered by the state before, and the next one is not. */
const PATIENCE_MS = 250
/** Opening what is new takes at most this share of the time. */
const MOST_SHARE = 0.1

export interface FreshOptions {
  /** Milliseconds between two looks at most. */
  readonly every: number
  /** The index shows something new. */
  readonly onRefreshed: () => void
  /** What was committed since cannot be opened; what was there before is served on. Told once for each reason. */
  readonly onFailed: (error: unknown) => void
}

/**
 * An index that another process writes to, up to date: whoever reads it sees what was committed until then. A look costs one read of the manifest.
 * Indexes that this process writes to, or that cannot be refreshed, are given back as they are.
 */
export function keptFresh(index: ServedIndex, { every, onRefreshed, onFailed }: FreshOptions): ServedIndex {
  if (!index.readonly || index.folder === undefined || !index.refresh) return index
  let next = 0
  let running: Promise<void> | undefined
  let failure: string | undefined
  const refresh = async (): Promise<void> => {
    const started = performance.now()
    try {
      if (await index.refresh!()) onRefreshed()
      failure = undefined
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (message !== failure && !(SerotineError.isInstance(error) && error.code === 'CLOSED')) onFailed(error)
      failure = message
    } finally {
      const now = performance.now()
      next = every === 0 ? now : now + Math.max(every, (now - started) / MOST_SHARE)
      running = undefined
    }
  }
  const fresh = async (): Promise<ServedIndex> => {
    if (!running && performance.now() < next) return index
    running ??= refresh()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)))
    await Promise.race([running, late])
    clearTimeout(timer)
    return index
  }
  async function* scan(options: Parameters<ServedIndex['scan']>[0]): ReturnType<ServedIndex['scan']> {
    yield* (await fresh()).scan(options)
  }
  return {
    searchDetailed: async (...given) => (await fresh()).searchDetailed(...given),
    get: (async (...given: Parameters<ServedIndex['get']>) => (await fresh()).get(...given)) as ServedIndex['get'],
    scan: scan as ServedIndex['scan'],
    stats: async () => (await fresh()).stats(),
    ...(index.fields && { fields: async () => (await fresh()).fields!() }),
    ...(index.explain && { explain: index.explain.bind(index) }),
    upsert: (...given) => index.upsert(...given),
    delete: (...given) => index.delete(...given),
  }
}
