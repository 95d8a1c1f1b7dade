// What went wrong with a chat model, in words for the person who asked.

/** Something about the model that the page can say as it is. */
export class ModelProblem extends Error {
  name = 'ModelProblem'
}

/**
 * @param {unknown} error
 * @param {string} model
 * @returns {string | undefined} nothing for what is no error of the model
 */
export function explainModelError(error, model) {
  if (error instanceof ModelProblem) return error.message
  const status = statusOf(error)
  if (status === 401 || status === 403)
    return `The provider of ${model} refuses the key (${status}). Check the key that the server was started with.`
  if (status === 404) return `The provider does not know the model ${model} (404). Check CHAT_MODEL.`
  if (status === 429)
    return `The provider of ${model} takes no more at the moment, or the quota is used up (429). Try again in a while.`
  if (status === 413 || (status === 400 && /context|too long|maximum.*tokens/i.test(messageOf(error))))
    return `The question and its passages are longer than ${model} reads (${status}).`
  if (status !== undefined && status >= 500) return `The provider of ${model} failed (${status}). Try again in a while.`
  if (status !== undefined) return `The provider of ${model} refuses the request (${status}).`
  const code = codeOf(error)
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EHOSTUNREACH')
    return `Nothing answers where ${model} should be (${code}). Is its server running?`
  if (
    /terminated|premature|other side closed|socket hang up|ECONNRESET|UND_ERR/i.test(
      `${code ?? ''} ${messageOf(error)}`,
    )
  )
    return `The connection to ${model} broke off in the middle of the answer.`
  if (/connection error|fetch failed/i.test(messageOf(error)))
    return `Nothing answers where ${model} should be. Is its server running?`
  return undefined
}

/** @param {unknown} error */
function statusOf(error) {
  for (const one of chain(error)) {
    const status = one.status ?? one.statusCode ?? one.status_code ?? one.response?.status
    if (typeof status === 'number') return status
  }
  return undefined
}

/** @param {unknown} error */
function codeOf(error) {
  for (const one of chain(error)) {
    const code = one.code ?? one.errno
    if (typeof code === 'string' && code === code.toUpperCase()) return code
  }
  return undefined
}

/** @param {unknown} error */
function messageOf(error) {
  return [...chain(error)].map(({ message }) => message ?? '').join(' ')
}

/**
 * An error and its causes.
 *
 * @param {unknown} error
 * @returns {Generator<any>}
 */
function* chain(error) {
  let one = /** @type {any} */ (error)
  for (let depth = 0; depth < 6 && typeof one === 'object' && one !== null; depth++) {
    yield one
    one = one.cause ?? one.errors?.[0]
  }
}
