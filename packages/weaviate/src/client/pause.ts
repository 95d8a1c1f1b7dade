import { setTimeout as after } from 'node:timers/promises'

/** @throws the signal's reason, as soon as it is aborted */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await after(milliseconds, undefined, signal ? { signal } : {})
  } catch {
    signal?.throwIfAborted()
  }
}
