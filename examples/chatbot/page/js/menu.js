// Conversations and documents: beside the conversation where there is room, else over it when asked for.
import { part } from './dom.js'

const beside = matchMedia('(min-width: 56rem)')

export function startMenu() {
  const menu = /** @type {HTMLDialogElement} */ (part('menu'))
  const place = () => {
    menu.close()
    if (beside.matches) menu.show()
  }
  const close = () => {
    if (!beside.matches) menu.close()
  }
  beside.addEventListener('change', place)
  part('menu-open').addEventListener('click', () => menu.showModal())
  part('menu-close').addEventListener('click', close)
  menu.addEventListener('click', (event) => {
    if (event.target === menu) close()
  })
  // Where it is part of the page, it stays.
  menu.addEventListener('cancel', (event) => {
    if (beside.matches) event.preventDefault()
  })
  place()
  // It took the focus, which belongs to the question.
  if (beside.matches) part('question').focus()
  return { close }
}
