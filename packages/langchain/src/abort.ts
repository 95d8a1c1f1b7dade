import { AsyncLocalStorage } from 'node:async_hooks'
import { ensureConfig } from '@langchain/core/runnables'

// LangChain hands a retriever's or compressor's hook the run manager but not the config, so the signal would be lost
// between `invoke()` and the work. It travels alongside the call instead.
const signals = new AsyncLocalStorage<AbortSignal>()

/** Runs `work` so that `currentSignal()` finds this signal, joined with the one of an enclosing call. */
export function withSignal<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const joined = eitherSignal(signal, signals.getStore())
  return joined ? signals.run(joined, work) : work()
}

/** Aborted when either of the two is. */
export function eitherSignal(a: AbortSignal | undefined, b: AbortSignal | undefined): AbortSignal | undefined {
  return a && b && a !== b ? AbortSignal.any([a, b]) : (a ?? b)
}

/** The signal of the call in progress: ours, or the one LangChain keeps for the runnable or graph node around it. */
export function currentSignal(): AbortSignal | undefined {
  return signals.getStore() ?? ensureConfig().signal
}
