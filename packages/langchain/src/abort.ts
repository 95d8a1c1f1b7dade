import { AsyncLocalStorage } from 'node:async_hooks'
import { ensureConfig } from '@langchain/core/runnables'

// LangChain hands a retriever's or compressor's hook the run manager but not the config, so the signal would be lost
// between `invoke()` and the work. It travels beside the call instead.
const signals = new AsyncLocalStorage<AbortSignal>()

/** Runs `work` so that `currentSignal()` finds this signal, joined with the one of an enclosing call. */
export function withSignal<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const outer = signals.getStore()
  const joined = signal && outer && signal !== outer ? AbortSignal.any([signal, outer]) : (signal ?? outer)
  return joined ? signals.run(joined, work) : work()
}

/** The signal of the call in progress: ours, or the one LangChain keeps for the runnable or graph node around it. */
export function currentSignal(): AbortSignal | undefined {
  return signals.getStore() ?? ensureConfig().signal
}
