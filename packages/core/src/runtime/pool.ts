import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { SerotineError } from '../errors.js'
import { hereUrl, OUT_OF_THE_BUNDLE, shippedFile } from '../shipped.js'
import type { Batch } from './batch.js'
import type { BuiltGraph, Network, NetworkPlan } from './network.js'
import type { Reply, Request } from './worker.js'

/** Batches waiting in a worker in addition to the one it computes, so that it is never idle. */
const QUEUED = 1

interface Pending {
  readonly resolve: (rows: Float32Array<ArrayBuffer>) => void
  readonly reject: (error: Error) => void
}

/**
 * Starts workers that each hold the whole network, and waits until all are ready.
 *
 * @param url the worker entry; undefined = the one that ships with this package
 * @throws WORKER_FAILED, and what opening the network throws
 */
export async function openPool(plan: NetworkPlan, workers: number, url: URL = workerEntry()): Promise<Network> {
  const posted = postable(plan)
  const started = Array.from({ length: workers }, () => new PoolWorker(posted, url))
  try {
    await Promise.all(started.map((worker) => worker.ready))
  } catch (error) {
    await Promise.all(started.map((worker) => worker.close()))
    throw error
  }
  return new Pool(started)
}

/** Buffers instead of typed arrays: Deno walks through an array number by number when it is posted, 17 s for a model. */
function postable(plan: NetworkPlan): NetworkPlan {
  const { source } = plan
  if (source.kind === 'onnx') return plan
  const packed = (graph: BuiltGraph): BuiltGraph => ({ ...graph, model: bufferOf(graph.model) })
  return { ...plan, source: { ...source, batch: packed(source.batch), long: source.long && packed(source.long) } }
}

function bufferOf(model: Uint8Array | ArrayBuffer): ArrayBuffer {
  if (model instanceof ArrayBuffer) return model
  const { buffer, byteLength } = model
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? buffer : new Uint8Array(model).buffer
}

/** @throws WORKER_FAILED where a bundler left it behind */
function workerEntry(): URL {
  // A statement each: @vercel/nft passes over the body of an arrow function.
  function beside(): URL {
    return new URL('./worker.mjs', import.meta.url)
  }
  const file = shippedFile([beside, () => new URL('./worker.mjs', hereUrl())], '@serotine/core/worker')
  if (file !== undefined) return pathToFileURL(file)
  throw new SerotineError(
    'WORKER_FAILED',
    `worker.mjs is not next to ${hereUrl() ?? 'the program'}: a bundler has left it behind. Copy ` +
      'node_modules/@serotine/core/dist/worker.mjs there, pass the URL of a copy as workerUrl, or ' +
      `${OUT_OF_THE_BUNDLE}.`,
  )
}

class Pool implements Network {
  readonly lanes: number

  constructor(readonly workers: readonly PoolWorker[]) {
    this.lanes = workers.length * (1 + QUEUED)
  }

  run(batch: Batch, normalize: boolean): Promise<Float32Array<ArrayBuffer>> {
    const alive = this.workers.filter((worker) => worker.failure === undefined)
    const [first, ...others] = alive
    if (!first) return Promise.reject(this.workers[0]!.failure)
    return others.reduce((least, worker) => (worker.load < least.load ? worker : least), first).run(batch, normalize)
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()))
  }
}

/** One worker thread. It keeps the process alive only while it has work. */
class PoolWorker {
  readonly ready: Promise<unknown>
  /** Set once the thread has ended. */
  failure: SerotineError | undefined
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #ended: Promise<void>
  #isOpen = false
  #onClosed: (() => void) | undefined
  #next = 0

  constructor(plan: NetworkPlan, url: URL) {
    // File tracers take `new Worker(…)` with a URL they cannot read for every file in this folder.
    this.#worker = Reflect.construct(Worker, [url, { workerData: plan }]) as Worker
    this.ready = new Promise((resolve, reject) => this.#pending.set(-1, { resolve, reject }))
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.#worker.on('message', (reply: Reply) => this.#settle(reply))
    this.#worker.on('error', (cause: unknown) =>
      this.#fail(`An encoding worker (${url.href}) failed: ${(cause as Error)?.message ?? String(cause)}`, cause),
    )
    this.#worker.on('exit', (code) =>
      this.#fail(`An encoding worker ended with exit code ${code}. Load the model again.`),
    )
  }

  get load(): number {
    return this.#pending.size
  }

  run(batch: Batch, normalize: boolean): Promise<Float32Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      if (this.failure) {
        reject(this.failure)
        return
      }
      const id = this.#next++
      this.#pending.set(id, { resolve, reject })
      this.#worker.ref()
      const { ids, attended, sizes, keep } = batch
      this.#worker.postMessage({ id, batch, normalize } satisfies Request, [
        ids.buffer,
        attended.buffer,
        sizes.buffer,
        keep.buffer,
      ])
    })
  }

  /** Lets running batches finish and the network be freed, then ends the thread. */
  async close(): Promise<void> {
    if (!this.failure && this.#isOpen) {
      this.#worker.ref()
      const closed = new Promise<void>((resolve) => (this.#onClosed = resolve))
      this.#worker.postMessage('close' satisfies Request)
      await Promise.race([closed, this.#ended])
    }
    await this.#worker.terminate()
  }

  #settle(reply: Reply): void {
    if (reply === 'closed') {
      this.#onClosed?.()
      return
    }
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0) this.#worker.unref()
    if ('error' in reply) {
      pending?.reject(new SerotineError(reply.error.code, reply.error.message))
    } else {
      this.#isOpen = true
      pending?.resolve(new Float32Array(reply.rows ?? new ArrayBuffer(0)))
    }
  }

  #fail(message: string, cause?: unknown): void {
    this.failure ??= new SerotineError('WORKER_FAILED', message, cause === undefined ? {} : { cause })
    for (const { reject } of this.#pending.values()) reject(this.failure)
    this.#pending.clear()
  }
}
