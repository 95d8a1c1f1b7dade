import { count, counted } from '../output/numbers.js'
import type { Terminal } from '../output/terminal.js'
import type { Look } from './follower.js'

/** Tells what looks came to: each change, and each trouble once until it is over. */
export class LookReport {
  readonly #terminal: Terminal
  readonly #asJson: boolean
  #failures: ReadonlyMap<string, string> = new Map()
  #missing: readonly string[] = []

  constructor(terminal: Terminal, asJson: boolean) {
    this.#terminal = terminal
    this.#asJson = asJson
  }

  tell(look: Look): void {
    const { changed, gone, failures, missing } = look
    const terminal = this.#terminal
    if (changed + gone > 0) this.#change(look)
    for (const [place, message] of failures) if (this.#failures.get(place) !== message) terminal.warn(message)
    for (const path of missing) {
      if (this.#missing.includes(path)) continue
      terminal.warn(`${path} is not there. What the index has of it stays; serotine remove takes it out.`)
    }
    for (const path of this.#missing) if (!missing.includes(path)) terminal.note(`${path} is there again`)
    ;[this.#failures, this.#missing] = [failures, missing]
  }

  #change({ changed, gone, added, updated, removed, unchanged, skips }: Look): void {
    if (this.#asJson) {
      const entry = { level: 'info', event: 'indexed', time: new Date().toISOString(), files: { changed, gone } }
      void this.#terminal.out(`${JSON.stringify({ ...entry, passages: { added, updated, unchanged, removed } })}\n`)
      return
    }
    const files = [
      changed > 0 ? `${counted(changed, 'file')} read` : '',
      gone > 0 ? `${counted(gone, 'file')} gone` : '',
    ]
    const passages = [
      [added, 'new'],
      [updated, 'changed'],
      [removed, 'removed'],
    ] as const
    const words = passages.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`)
    const { dim } = this.#terminal.errColors
    const line = `${files.filter(Boolean).join(', ')}: ${words.length > 0 ? `passages ${words.join(', ')}` : 'nothing new'}`
    this.#terminal.note(dim(`${new Date().toTimeString().slice(0, 8)} ${line}`))
    for (const message of skips.missingReaders()) this.#terminal.aside(message)
  }
}
