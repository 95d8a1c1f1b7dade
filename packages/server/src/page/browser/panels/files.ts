import { ApiError } from '../server/api.js'
import type { FileResult, IndexDescription } from '../server/api.js'
import { bytes, counted, element, shortened } from '../dom.js'

export interface FileActions {
  readonly send: (name: string, base64: string) => Promise<FileResult>
  /** After files were added. */
  readonly onDone: () => void
}

const TYPES = '.txt,.text,.rst,.adoc,.md,.markdown,.mdx,.html,.htm,.xhtml,.pdf,.docx,.jsonl,.ndjson'

/** Where files are dropped, or why they cannot be. */
export class Files {
  readonly #body: HTMLElement
  readonly #actions: FileActions
  readonly #list = element('ul', { class: 'sent' })
  #index: IndexDescription | undefined
  #mostBytes = Infinity
  #queue = Promise.resolve()

  constructor(body: HTMLElement, actions: FileActions) {
    this.#body = body
    this.#actions = actions
    const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true
    document.addEventListener('dragover', (event) => {
      if (!holdsFiles(event)) return
      // Without it the browser leaves the page for the file.
      event.preventDefault()
      document.body.classList.toggle('dropping', this.#index?.writable === true)
    })
    document.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) document.body.classList.remove('dropping')
    })
    document.addEventListener('drop', (event) => {
      if (!holdsFiles(event)) return
      event.preventDefault()
      document.body.classList.remove('dropping')
      const panel = this.#body.closest('details')
      if (panel) panel.open = true
      this.add([...(event.dataTransfer?.files ?? [])])
    })
  }

  /** @param mostBytes of a request's body */
  show(index: IndexDescription, mostBytes: number): void {
    const isDrawn = this.#index?.writable === index.writable && this.#index.split_files === index.split_files
    this.#index = index
    this.#mostBytes = mostBytes
    // What has the focus keeps it.
    if (isDrawn) return
    if (!index.writable) {
      const command = element('code', {}, 'serotine serve --writable')
      this.#body.replaceChildren(
        element('p', { class: 'quiet' }, 'This server only reads. To add files, start it with ', command, '.'),
      )
      return
    }
    const input = element('input', {
      type: 'file',
      multiple: true,
      accept: index.split_files ? TYPES : '.txt,.md,.html',
      id: 'files',
      class: 'hidden',
    })
    input.addEventListener('change', () => {
      this.add([...(input.files ?? [])])
      input.value = ''
    })
    const kinds = index.split_files
      ? 'Text, Markdown, HTML, PDF, DOCX or JSONL, split into passages as serotine index does.'
      : 'Text in UTF-8. This server keeps each file as one document; what is longer than the model reads is not found.'
    this.#body.replaceChildren(
      element(
        'div',
        { class: 'drop' },
        input,
        element('label', { for: 'files', class: 'button' }, 'Choose files'),
        element('span', {}, ' or drop them anywhere'),
      ),
      element('p', { class: 'quiet' }, `${kinds} A file of the same name replaces the one before.`),
      element('div', { role: 'status' }, this.#list),
    )
  }

  add(files: readonly File[]): void {
    for (const file of files) {
      const line = element('li', { class: 'working' }, element('bdi', {}, shortened(file.name, 80)), ': waiting')
      this.#list.prepend(line)
      // One after the other: each is a change of the index.
      this.#queue = this.#queue.then(() => this.#send(file, line))
    }
  }

  async #send(file: File, line: HTMLElement): Promise<void> {
    const say = (state: string, text: string): void => {
      line.className = state
      line.replaceChildren(element('bdi', {}, shortened(file.name, 80)), `: ${text}`)
    }
    if (!this.#index?.writable) return say('failed', 'the server only reads')
    // As base64, with a little around it.
    const most = Math.floor(((this.#mostBytes - 2_000) * 3) / 4)
    if (file.size > most) {
      return say(
        'failed',
        `${bytes(file.size)} is more than this server takes at once, ${bytes(most)}. Use serotine index, or raise limits.bodyBytes.`,
      )
    }
    if (file.size === 0) return say('failed', 'the file is empty')
    say('working', 'indexing …')
    try {
      const { documents, unchanged, deleted } = await this.#actions.send(file.name, await base64(file))
      const what = this.#index.split_files ? 'passage' : 'document'
      const replaced = deleted > 0 ? `, ${counted(deleted, 'older one', 'older ones')} gone` : ''
      say(
        'done',
        documents === unchanged
          ? `nothing new, ${counted(documents, what)}`
          : `${counted(documents, what)} added${replaced}`,
      )
      this.#actions.onDone()
    } catch (error) {
      say(
        'failed',
        error instanceof ApiError
          ? error.message
          : error instanceof Error
            ? `it cannot be read (${error.message})`
            : String(error),
      )
    }
  }
}

async function base64(file: File): Promise<string> {
  const all = new Uint8Array(await file.arrayBuffer())
  let text = ''
  for (let i = 0; i < all.length; i += 32_768) text += String.fromCharCode(...all.subarray(i, i + 32_768))
  return btoa(text)
}
