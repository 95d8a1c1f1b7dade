import { parentPort, workerData } from 'node:worker_threads'
import { SerotineError } from '../errors.js'
import type { Batch } from './batch.js'
import { openNetwork } from './network.js'
import type { NetworkPlan } from './network.js'

/** From the pool: encode a batch, or end. */
export type Request = { readonly id: number; readonly batch: Batch; readonly normalize: boolean } | 'close'
/** To the pool: a result, what went wrong, or that the network is closed. Id −1 is the opening of the network. */
export type Reply =
  | 'closed'
  | { readonly id: number; readonly rows: ArrayBuffer | undefined }
  | { readonly id: number; readonly error: { readonly code: SerotineError['code']; readonly message: string } }

const OPENING = -1

/**
 * Entry of an encoding worker: opens the network it was given, then serves requests in order. The pool ends the thread:
 * `parentPort.close()` is missing in Deno.
 */
async function serve(port: NonNullable<typeof parentPort>, plan: NetworkPlan): Promise<void> {
  const network = await openNetwork(plan)
  port.postMessage({ id: OPENING, rows: undefined } satisfies Reply)
  let queue: Promise<void> = Promise.resolve()
  port.on('message', (request: Request) => {
    queue = queue.then(async () => {
      if (request === 'close') {
        await network.close()
        port.postMessage('closed' satisfies Reply)
        return
      }
      const { id, batch, normalize } = request
      await network.run(batch, normalize).then(
        ({ buffer }) => port.postMessage({ id, rows: buffer } satisfies Reply, [buffer]),
        (error: unknown) => port.postMessage(failure(id, error)),
      )
    })
  })
}

function failure(id: number, error: unknown): Reply {
  if (SerotineError.isInstance(error)) return { id, error: { code: error.code, message: error.message } }
  return {
    id,
    error: {
      code: 'WORKER_FAILED',
      message: `An encoding worker failed: ${(error as Error)?.message ?? String(error)}`,
    },
  }
}

const port = parentPort
if (port) {
  serve(port, workerData as NetworkPlan).catch((error: unknown) => {
    port.postMessage(failure(OPENING, error))
  })
}
