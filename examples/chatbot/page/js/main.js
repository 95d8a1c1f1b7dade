import * as api from './api.js'
import { drawConversations, forgetConversation, rememberConversation } from './conversations.js'
import { counted, element, part } from './dom.js'
import { startLibrary } from './library.js'
import { startMenu } from './menu.js'
import { closePassage, openPassage } from './passage.js'
import { TurnView } from './turn.js'

const question = /** @type {HTMLTextAreaElement} */ (part('question'))
const turns = part('turns')
const menu = startMenu()

/** @type {string | undefined} of the conversation that is shown; none until something is asked */
let chat
/** @type {AbortController | undefined} of the answer that is being made */
let answering
/** @type {string[]} */
let asked = []
/** @type {import('./api.js').LibraryState | undefined} */
let library

const about = await api.about()
part('about').textContent = about.chatModel
  ? `Answers by ${about.chatModel}`
  : 'Answers are quotations, made on this machine'
part('suggestions').replaceChildren(
  ...about.suggestions.map((text) =>
    element('li', {}, element('button', { type: 'button', class: 'suggestion', onclick: () => void send(text) }, text)),
  ),
)
startLibrary({
  maxFileBytes: about.maxFileBytes,
  onState: (state) => {
    library = state
    drawWelcome()
  },
})
await show(location.hash.slice(1) || undefined)

/** @param {string | undefined} id */
async function show(id) {
  answering?.abort()
  closePassage()
  chat = id
  asked = []
  turns.replaceChildren()
  notice('')
  history.replaceState(null, '', id ? `#${id}` : location.pathname)
  if (id) {
    try {
      const known = await api.turnsOf(id)
      if (chat !== id) return
      if (known.length === 0) {
        forgetConversation(id)
        return await show(undefined)
      }
      for (const turn of known) {
        const view = new TurnView(turn.question, openPassage)
        view.done(turn.answer, turn.details, turn.standalone)
        turns.append(view.item)
        asked.push(turn.question)
      }
      turns.lastElementChild?.scrollIntoView({ block: 'end' })
    } catch (error) {
      if (error instanceof api.ServerError && error.status === 404) {
        forgetConversation(id)
        return await show(undefined)
      }
      notice(messageOf(error))
    }
  }
  drawConversations(chat, (other) => {
    menu.close()
    void show(other)
  })
  drawWelcome()
}

function drawWelcome() {
  part('welcome').hidden = turns.childElementCount > 0
  if (!library) return
  const { documents, passages, working } = library
  const place = about.chatModel ? 'searched on this machine' : 'and nothing leaves this machine'
  part('welcome-text').textContent =
    documents.length > 0
      ? `${counted(documents.length, 'file')}, ${counted(passages, 'passage')}, ${place}.${about.isSample ? ' This is the sample; drop in files of your own.' : ''}`
      : working.length > 0
        ? 'Your documents are being indexed …'
        : 'Drop in some files, and ask.'
}

/** @param {string} text */
async function send(text) {
  const trimmed = text.trim()
  if (trimmed === '' || answering) return
  notice('')
  const stop = (answering = new AbortController())
  const view = new TurnView(trimmed, openPassage)
  setBusy(true)
  say('Searching …')
  question.value = ''
  grow()
  turns.append(view.item)
  asked.push(trimmed)
  drawWelcome()
  view.item.scrollIntoView({ block: 'start', behavior: motion() })
  try {
    chat ??= await api.newChat()
    history.replaceState(null, '', `#${chat}`)
    rememberConversation({ id: chat, title: trimmed })
    drawConversations(chat, (other) => void show(other))
    for await (const { type, data } of api.ask(chat, trimmed, stop.signal)) {
      if (type === 'rewritten') view.rewritten(data.question)
      else if (type === 'found') view.found(data.sources)
      else if (type === 'text') view.add(data.text)
      else if (type === 'failed') view.failed(data.message)
      else if (type === 'done') view.done(data.turn.answer, data.turn.details, data.turn.standalone)
    }
    // Only now, and as a whole: half sentences are of no use to those who listen.
    say(`Answer: ${view.text} ${endOf(view)}`)
  } catch (error) {
    const problem = stop.signal.aborted ? 'Stopped.' : messageOf(error)
    view.failed(problem)
    say(problem)
  } finally {
    if (answering === stop) {
      answering = undefined
      setBusy(false)
    }
  }
}

/** The answer then is done, with what was said until now. */
function stopAnswering() {
  const stopping = answering
  if (!stopping || !chat) return
  // A server that cannot be told is left.
  api.stopAnswer(chat).catch(() => stopping.abort())
}

/** @param {TurnView} view */
function endOf({ item }) {
  return item.querySelector('.end')?.textContent ?? ''
}

/** @param {boolean} isBusy */
function setBusy(isBusy) {
  part('send').hidden = isBusy
  part('stop').hidden = !isBusy
  turns.setAttribute('aria-busy', String(isBusy))
}

/** @param {string} text */
function say(text) {
  part('said').textContent = text
}

/** @param {string} text */
function notice(text) {
  part('notice').hidden = text === ''
  part('notice').textContent = text
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}

/** @returns {ScrollBehavior} */
function motion() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'
}

function grow() {
  question.style.height = 'auto'
  question.style.height = `${Math.min(question.scrollHeight, 200)}px`
}

part('ask').addEventListener('submit', (event) => {
  event.preventDefault()
  void send(question.value)
})
part('stop').addEventListener('click', () => {
  stopAnswering()
  question.focus()
})
question.addEventListener('input', grow)
question.addEventListener('keydown', (event) => {
  // Not while an input method composes a word.
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault()
    void send(question.value)
  } else if (event.key === 'ArrowUp' && question.value === '' && asked.length > 0) {
    event.preventDefault()
    question.value = asked.at(-1) ?? ''
    grow()
  }
})
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && answering) stopAnswering()
  else if (event.key === 'Escape') closePassage()
  else if (
    event.key === '/' &&
    !(event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement)
  ) {
    event.preventDefault()
    question.focus()
  }
})
for (const id of ['new-chat', 'bar-new']) {
  part(id).addEventListener('click', () => {
    menu.close()
    void show(undefined).then(() => question.focus())
  })
}
addEventListener('hashchange', () => {
  const id = location.hash.slice(1) || undefined
  if (id !== chat) void show(id)
})
document.documentElement.dataset['ready'] = 'true'
