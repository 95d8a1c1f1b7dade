import { extname } from 'node:path'
import type { SkipReason, Skipped } from '../input/skipped.js'
import { count, counted } from './numbers.js'

/** At most so many files that could not be read are named on the screen. */
const MOST_NAMED = 20
const MOST_EXAMPLES = 5

/** What an index run skipped. */
export class Skips {
  readonly all: Skipped[] = []

  add(skipped: Skipped): void {
    this.all.push(skipped)
  }

  of(reason: SkipReason): Skipped[] {
    return this.all.filter((skipped) => skipped.reason === reason)
  }

  count(reason: SkipReason): number {
    return this.of(reason).length
  }

  /** How many of the files that were found nothing was read of. */
  filesAmong(sources: Iterable<string>): number {
    const places = new Set(this.#notRead('binary').map(({ place }) => place))
    let n = 0
    for (const source of sources) if (places.has(source)) n++
    return n
  }

  /**
   * Tells sources that could not be read this time, or lie in a folder that could not: they may well be there. So may those
   * whose reader is not installed.
   */
  hidden(): (source: unknown) => boolean {
    const places = new Set(this.#notRead().map(({ place }) => place))
    if (places.has('./')) return () => true
    const folders = [...places].filter((place) => place.endsWith('/'))
    return (source) =>
      typeof source === 'string' && (places.has(source) || folders.some((folder) => source.startsWith(folder)))
  }

  /** One message for each file and folder that could not be read, as far as they can be named. */
  warnings(): string[] {
    const unreadable = this.of('unreadable')
    const more = unreadable.length - MOST_NAMED
    return [
      ...unreadable.slice(0, MOST_NAMED).map(({ message }) => message),
      ...(more > 0 ? [`… and ${count(more)} more cannot be read; --list-skipped names them`] : []),
    ]
  }

  /** One message for each kind of file whose reader is not installed: the remedy is the same for all of them. */
  missingReaders(): string[] {
    const messages = new Map<string, string>()
    for (const { place, message } of this.of('no-reader')) {
      const kind = extname(place).toLowerCase()
      if (!messages.has(kind)) messages.set(kind, message)
    }
    return [...messages.values()]
  }

  #notRead(...more: SkipReason[]): Skipped[] {
    const reasons: readonly SkipReason[] = ['unreadable', 'no-reader', ...more]
    return this.all.filter(({ reason }) => reasons.includes(reason))
  }

  /** For the end of the summary. */
  lines(): string[] {
    const unreadable = this.of('unreadable')
    const folders = unreadable.filter(({ place }) => place.endsWith('/')).length
    const kinds = [
      [this.count('binary'), 'binary file', 'binary files'],
      [this.count('no-reader'), 'file without a reader', 'files without a reader'],
      [folders, 'unreadable folder', 'unreadable folders'],
      [unreadable.length - folders, 'unreadable file', 'unreadable files'],
      [this.count('empty'), 'empty text', 'empty texts'],
      [this.count('bad-line'), 'bad line', 'bad lines'],
      [this.count('other-kind'), 'file of another kind', 'files of other kinds'],
      [this.count('ignored'), 'ignored by .gitignore', 'ignored by .gitignore'],
      [this.count('excluded'), 'excluded', 'excluded'],
    ] as const
    const words = kinds.filter(([n]) => n > 0).map(([n, one, many]) => counted(n, one, many))
    const messages = [
      ...this.missingReaders(),
      ...this.all
        .filter(({ reason }) => reason === 'bad-line' || reason === 'replaced-bytes')
        .map(({ message }) => message),
    ]
    const more = messages.length - MOST_EXAMPLES
    return [
      ...(words.length > 0 ? [`${words.join(', ')} skipped`] : []),
      ...messages.slice(0, MOST_EXAMPLES),
      ...(more > 0 ? [`… and ${count(more)} more like these`] : []),
    ]
  }
}
