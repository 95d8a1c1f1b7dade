import { describe, expect, it } from 'vitest'
import { Batcher } from '../../packages/server/src/rerank/batching.js'
import { maxSimMany } from '../../packages/core/src/scoring/maxsim.js'
import { FakeEncoder } from '../support/fake-encoder.js'

/** Counts calls, and can be held up. */
class SlowEncoder extends FakeEncoder {
  readonly calls: string[][] = []
  gate: Promise<void> = Promise.resolve()
  signals: AbortSignal[] = []

  override async encodeDocuments(texts: readonly string[], options: { signal?: AbortSignal } = {}) {
    this.calls.push([...texts])
    if (options.signal) this.signals.push(options.signal)
    await this.gate
    options.signal?.throwIfAborted()
    if (texts.includes('poison')) throw new Error('This text cannot be encoded.')
    return super.encodeDocuments(texts, options)
  }
}

const never = () => new AbortController().signal
const list = (name: string, length: number) => Array.from({ length }, (_, i) => `${name} ${i}`)

function held(): { encoder: SlowEncoder; batcher: Batcher; release: () => void; batches: number[] } {
  const encoder = new SlowEncoder()
  let release = (): void => {}
  encoder.gate = new Promise((done) => (release = done))
  const batches: number[] = []
  return {
    encoder,
    batcher: new Batcher(
      async () => encoder,
      (texts) => batches.push(texts),
    ),
    release,
    batches,
  }
}

describe('requests that come together', () => {
  it('are encoded together, equal texts once, and each gets the scores it would get alone', async () => {
    const { encoder, batcher, release, batches } = held()
    const requests = Array.from({ length: 8 }, (_, i) => ({
      query: `bird ${i}`,
      texts: [`text ${i}`, 'bird 3', 'shared'],
    }))
    const answers = Promise.all(requests.map(({ query, texts }) => batcher.score(query, texts, never())))
    release()
    for (const [i, { scores, queryTokens }] of (await answers).entries()) {
      const { query, texts } = requests[i]!
      const alone = maxSimMany(
        encoder.embed(query),
        texts.map((text) => encoder.embed(text)),
      )
      expect([...scores]).toEqual([...alone])
      expect(queryTokens).toBe(4)
    }
    expect(encoder.calls).toHaveLength(1)
    expect(encoder.calls[0]).toHaveLength(8 + 2)
    expect(batches).toEqual([24])
  })

  it('have equal shares: a long one does not hold up a short one', async () => {
    const { encoder, batcher, release } = held()
    const done: string[] = []
    const long = batcher.score('a', list('long', 1000), never()).then(() => done.push('long'))
    await new Promise((next) => setTimeout(next, 20))
    const short = batcher.score('a', list('short', 10), never()).then(() => done.push('short'))
    release()
    await Promise.all([long, short])
    expect(done).toEqual(['short', 'long'])
    expect(encoder.calls.map((texts) => texts.length)).toEqual([256, 256, 256, 242])
    expect(encoder.calls[1]!.filter((text) => text.startsWith('short'))).toHaveLength(10)
  })
})

it('listens to a signal no longer than it has to', async () => {
  const { batcher, release } = held()
  release()
  const signal = never()
  const listening = new Set<unknown>()
  signal.addEventListener = (_: string, listener: unknown) => void listening.add(listener)
  signal.removeEventListener = (_: string, listener: unknown) => void listening.delete(listener)
  await batcher.score('a', list('text', 1000), signal)
  await new Promise((next) => setImmediate(next))
  expect(listening.size).toBe(0)
})

describe('a request that fails', () => {
  it('is the only one', async () => {
    const { batcher, release } = held()
    const answers = Promise.allSettled([
      batcher.score('a', ['good'], never()),
      batcher.score('a', ['poison'], never()),
      batcher.score('a', ['better'], never()),
    ])
    release()
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    await expect(batcher.score('a', ['poison'], never())).rejects.toThrow('cannot be encoded')
    expect((await batcher.score('a', ['good'], never())).scores).toHaveLength(1)
  })
})

describe('a request that is given up', () => {
  it('settles at once and is not encoded; the others are', async () => {
    const { encoder, batcher, release } = held()
    const first = batcher.score('a', ['first'], never())
    await new Promise((next) => setTimeout(next, 20))
    const controller = new AbortController()
    const second = batcher.score('a', ['second'], controller.signal)
    const third = batcher.score('a', ['third'], never())
    controller.abort(new Error('gone'))
    await expect(second).rejects.toThrow('gone')
    release()
    await Promise.all([first, third])
    expect(encoder.calls.flat()).toEqual(['first', 'third'])
    await expect(batcher.score('a', ['x'], controller.signal)).rejects.toThrow('gone')
  })

  it('stops the model when nobody else waits for the batch', async () => {
    const { encoder, batcher, release } = held()
    const controllers = [new AbortController(), new AbortController()]
    const answers = Promise.allSettled(controllers.map(({ signal }, i) => batcher.score('a', [`${i}`], signal)))
    await new Promise((next) => setTimeout(next, 20))
    controllers[0]!.abort()
    expect(encoder.signals[0]!.aborted).toBe(false)
    controllers[1]!.abort()
    expect(encoder.signals[0]!.aborted).toBe(true)
    release()
    await answers
    expect((await batcher.score('a', ['good'], never())).scores).toHaveLength(1)
  })
})
