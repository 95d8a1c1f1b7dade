import { ApiError, ask, setToken } from './api.js'
import { element, part } from '../dom.js'
import { askToken } from './token.js'

/** How often a busy server is asked again before the reader is. */
const MOST_TRIES = 5
const LONGEST_WAIT_S = 10

/** What is wrong, with a way to go on. */
export function showNotice(text: string, action?: { readonly name: string; readonly run: () => void }): void {
  const notice = part('notice')
  notice.hidden = false
  notice.replaceChildren(element('span', {}, text))
  if (action) notice.append(element('button', { type: 'button', on: { click: action.run } }, action.name))
}

export function hideNotice(): void {
  const notice = part('notice')
  notice.hidden = true
  notice.replaceChildren()
}

/** Asks the server; for the token where it wants one, and again where it is busy. @throws ApiError */
export async function request<T>(path: string, body?: object, signal?: AbortSignal): Promise<T> {
  let isWrong = false
  for (let tries = 1; ; tries++) {
    try {
      return await ask<T>(path, body, signal)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 401) {
        const token = await askToken(isWrong || /not the right one/.test(error.message))
        if (token === undefined) throw error
        isWrong = true
        setToken(token)
      } else if (error.status === 429 && tries < MOST_TRIES) {
        const seconds = Math.min(LONGEST_WAIT_S, Math.max(1, error.retryAfter))
        showNotice(`The server is busy. Asking again in ${seconds} s.`)
        await wait(seconds * 1000, signal)
        hideNotice()
      } else throw error
    }
  }
}

function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    })
  })
}

/** An error as a notice. */
export function tell(error: unknown, retry: () => void): void {
  const again = { name: 'Try again', run: retry }
  if (!(error instanceof ApiError)) return showNotice(`The page failed: ${String(error)}`, again)
  if (error.status === 0) return showNotice('The server does not answer. Is it still running?', again)
  if (error.status === 401) return showNotice('The server wants a token.', { name: 'Give it', run: retry })
  showNotice(error.message, error.status === 429 || error.status >= 500 ? again : undefined)
}
