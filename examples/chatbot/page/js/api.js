// Asking the server.

/**
 * @typedef {import('../../chat/graph.mjs').AnswerDetails} AnswerDetails
 * @typedef {import('../../chat/history.mjs').Turn} Turn
 * @typedef {import('../../chat/sources.mjs').Source} Source
 * @typedef {import('../../chat/sources.mjs').SearchSummary} SearchSummary
 * @typedef {import('../../http/app.mjs').About} About
 * @typedef {import('../../library/library.mjs').LibraryState} LibraryState
 */

/** What the server refuses; the message is for the reader. */
export class ServerError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function call(path, options) {
  /** @type {Response} */
  let response
  try {
    response = await fetch(path, options)
  } catch (error) {
    if (options?.signal?.aborted) throw error
    throw new ServerError(0, 'The server cannot be reached. Is it still running?')
  }
  if (response.ok) return response
  const { message } = await response.json().catch(() => ({ message: undefined }))
  throw new ServerError(response.status, message ?? `The server answered ${response.status}.`)
}

/** @returns {Promise<About>} */
export const about = async () => (await call('api/about')).json()

/** @returns {Promise<string>} */
export const newChat = async () => (await (await call('api/chats', { method: 'POST' })).json()).id

/**
 * @param {string} id
 * @returns {Promise<Turn[]>}
 */
export const turnsOf = async (id) => (await (await call(`api/chats/${id}`)).json()).turns

/** @param {string} id */
export const stopAnswer = (id) => call(`api/chats/${id}/stop`, { method: 'POST' })

/**
 * @param {File} file
 * @returns {Promise<{ passages: number, replaced: boolean }>}
 */
export const sendFile = async (file) =>
  (await call(`api/files/${encodeURIComponent(file.name)}`, { method: 'PUT', body: file })).json()

/** @param {string} name */
export const removeFile = (name) => call(`api/files/${encodeURIComponent(name)}`, { method: 'DELETE' })

/**
 * The state of the library, now and whenever it changes.
 *
 * @param {(state: LibraryState) => void} onState
 */
export function watchLibrary(onState) {
  const events = new EventSource('api/library')
  events.addEventListener('state', ({ data }) => onState(JSON.parse(data)))
}

/**
 * The answer to a question as it is made.
 *
 * @param {string} id of the conversation
 * @param {string} question
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{ type: string, data: any }>}
 */
export async function* ask(id, question, signal) {
  const response = await call(`api/chats/${id}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ question }),
    signal,
  })
  if (!response.body) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let buffer = ''
  let isDone = false
  for (;;) {
    const { done, value = '' } = await reader.read().catch((error) => {
      if (signal.aborted) throw error
      throw new ServerError(0, 'The connection to the server broke off.')
    })
    buffer += value
    const events = buffer.split('\n\n')
    buffer = events.pop() ?? ''
    for (const event of events) {
      const type = /^event: (.*)$/m.exec(event)?.[1] ?? ''
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (type === 'done' || type === 'failed') isDone = true
      if (data !== undefined) yield { type, data: JSON.parse(data) }
    }
    if (done && !isDone) throw new ServerError(0, 'The connection to the server broke off.')
    if (done) return
  }
}
