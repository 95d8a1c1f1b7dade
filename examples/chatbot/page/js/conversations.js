// Which conversations this browser knows. What was said in them is kept by the server.
import { element, part, shortened } from './dom.js'

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title its first question
 */

const KEPT = 'chatbot-conversations'
const MOST = 30

/** @returns {Conversation[]} the last one first */
export function knownConversations() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? '[]')
    return Array.isArray(kept)
      ? kept.filter(({ id, title }) => typeof id === 'string' && typeof title === 'string')
      : []
  } catch {
    return []
  }
}

/** @param {Conversation} conversation */
export function rememberConversation({ id, title }) {
  const others = knownConversations().filter((other) => other.id !== id)
  const before = knownConversations().find((other) => other.id === id)
  keep([{ id, title: before?.title ?? shortened(title, 120) }, ...others].slice(0, MOST))
}

/** @param {string} id */
export function forgetConversation(id) {
  keep(knownConversations().filter((other) => other.id !== id))
}

/** @param {Conversation[]} conversations */
function keep(conversations) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(conversations))
  } catch {
    // Private windows keep nothing.
  }
}

/**
 * @param {string | undefined} current
 * @param {(id: string) => void} onChoose
 */
export function drawConversations(current, onChoose) {
  const rows = knownConversations().map(({ id, title }) =>
    element(
      'li',
      {},
      element(
        'button',
        {
          type: 'button',
          class: 'row',
          'aria-current': id === current ? 'true' : undefined,
          onclick: () => onChoose(id),
        },
        element('bdi', {}, shortened(title, 80)),
      ),
    ),
  )
  part('conversations').replaceChildren(
    ...(rows.length > 0 ? rows : [element('li', { class: 'quiet small' }, 'None yet.')]),
  )
}
