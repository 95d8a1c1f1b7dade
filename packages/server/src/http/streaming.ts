/** Milliseconds that an answer has for its last words when its time is up. */
const LAST_WORDS_MS = 1_000

/**
 * The same answer, which is under way until its body has been sent or given up. A client that reads too slowly is cut off a moment after
 * the signal.
 *
 * @param ended called once, when nothing more comes
 */
export function untilSent(response: Response, signal: AbortSignal, ended: () => void): Response {
  const { body, status, headers } = response
  if (!body) {
    ended()
    return response
  }
  const reader = body.getReader()
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const over = (): void => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    signal.removeEventListener('abort', cutSoon)
    ended()
  }
  let cut = (): void => {}
  const cutSoon = (): void => {
    timer = setTimeout(() => cut(), LAST_WORDS_MS)
  }
  const sent = new ReadableStream<Uint8Array>({
    start(controller) {
      cut = () => {
        void reader.cancel(signal.reason).catch(() => {})
        controller.error(signal.reason)
        over()
      }
    },
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (isOver) return
        if (!done) return controller.enqueue(value)
        controller.close()
      } catch (error) {
        if (!isOver) controller.error(error)
      }
      over()
    },
    cancel(reason) {
      over()
      return reader.cancel(reason)
    },
  })
  if (signal.aborted) cutSoon()
  else signal.addEventListener('abort', cutSoon)
  return new Response(sent, { status, headers })
}
