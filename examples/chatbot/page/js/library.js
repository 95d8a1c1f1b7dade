// The documents: what is there, what is being indexed, and adding to it.
import { removeFile, sendFile, watchLibrary } from './api.js'
import { counted, element, icon, part, shortened } from './dom.js'

/** @typedef {import('./api.js').LibraryState} LibraryState */

/** Shown before "and … more". */
const MOST_SHOWN = 200

/**
 * @param {{ maxFileBytes: number, onState: (state: LibraryState) => void }} options
 */
export function startLibrary({ maxFileBytes, onState }) {
  watchLibrary((state) => {
    draw(state)
    onState(state)
  })
  /** @type {Promise<void>} */
  let queue = Promise.resolve()
  /** @param {Iterable<File>} files */
  const send = (files) => {
    for (const file of files) {
      const line = element('li')
      part('sending').prepend(line)
      // One after the other: each is a change of the index.
      queue = queue.then(() => sendOne(file, line, maxFileBytes))
    }
  }
  const input = /** @type {HTMLInputElement} */ (part('files'))
  input.addEventListener('change', () => {
    send(input.files ?? [])
    input.value = ''
  })
  acceptDrops(send)
}

/** @param {(files: Iterable<File>) => void} send */
function acceptDrops(send) {
  const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') === true
  document.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return
    // Without it the browser leaves the page for the file.
    event.preventDefault()
    document.body.classList.add('dropping')
  })
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) document.body.classList.remove('dropping')
  })
  document.addEventListener('drop', (event) => {
    document.body.classList.remove('dropping')
    if (!holdsFiles(event)) return
    event.preventDefault()
    send(event.dataTransfer?.files ?? [])
  })
}

/**
 * @param {File} file
 * @param {HTMLElement} line
 * @param {number} maxFileBytes
 */
async function sendOne(file, line, maxFileBytes) {
  const say = (/** @type {string} */ state, /** @type {string} */ text) => {
    line.dataset['state'] = state
    line.replaceChildren(element('bdi', {}, shortened(file.name, 60)), ` ${text}`)
  }
  if (file.size > maxFileBytes) {
    const size = (bytes = 0) => `${Math.round(bytes / 1_000_000)} MB`
    say('failed', `is ${size(file.size)}; at most ${size(maxFileBytes)} can be sent.`)
    return
  }
  say('working', 'is being read …')
  try {
    const { passages, replaced } = await sendFile(file)
    say('done', `${replaced ? 'replaced' : 'added'}: ${counted(passages, 'passage')}.`)
    setTimeout(() => line.remove(), 8_000)
  } catch (error) {
    say('failed', `was not added. ${error instanceof Error ? error.message : error}`)
  }
}

/** @param {LibraryState} state */
function draw({ documents, passages, working, skipped }) {
  part('library-count').textContent = documents.length === 0 ? '' : counted(documents.length, 'file')
  part('library-count').title = counted(passages, 'passage')
  const list = part('documents')
  const rows = documents.slice(0, MOST_SHOWN).map(({ name, passages: count, removable }) =>
    element(
      'li',
      {},
      icon('M6 3h6l3 3v11H6zM12 3v3h3'),
      element('span', { class: 'name', title: shortened(name, 300) }, element('bdi', {}, shortened(name, 80))),
      element('span', { class: 'quiet small', title: counted(count, 'passage') }, String(count)),
      removable &&
        element(
          'button',
          {
            type: 'button',
            class: 'icon tiny',
            'aria-label': `Remove ${shortened(name, 80)}`,
            onclick: () => removeFile(name).catch(() => {}),
          },
          icon('M6 6l8 8M14 6l-8 8'),
        ),
    ),
  )
  if (documents.length > MOST_SHOWN)
    rows.push(element('li', { class: 'quiet' }, `and ${documents.length - MOST_SHOWN} more`))
  // Progress is told many times a second; rows that stay keep the focus.
  if (list.dataset['drawn'] !== JSON.stringify(documents)) {
    list.dataset['drawn'] = JSON.stringify(documents)
    list.replaceChildren(...rows)
  }
  drawProgress(working)
  const notes = part('skipped')
  notes.hidden = skipped.length === 0
  notes.querySelector('summary')?.replaceChildren(`${counted(skipped.length, 'file')} could not be read`)
  notes
    .querySelector('ul')
    ?.replaceChildren(...skipped.slice(0, MOST_SHOWN).map((why) => element('li', {}, shortened(why, 300))))
}

/** @param {LibraryState['working']} working */
function drawProgress(working) {
  const place = part('indexing')
  place.hidden = working.length === 0
  place.replaceChildren(
    ...working.map(({ name, done, total }) => {
      const label = `Indexing ${shortened(name.split('/').at(-1) ?? name, 40)}`
      const bar = element('progress', { 'aria-label': label, ...(total && { max: total, value: done }) })
      const far = total ? `${done.toLocaleString('en-US')} of ${counted(total, 'passage')}` : 'reading …'
      return element('div', {}, element('span', {}, label), bar, element('span', { class: 'quiet small' }, far))
    }),
  )
}
