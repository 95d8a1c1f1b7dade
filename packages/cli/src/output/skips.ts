import type { SkipReason, Skipped } from '../input/skipped.js'
import { count, counted } from './numbers.js'

/** At most so many files that could not be read are named on the screen. */
const MOST_NAMED = 20
const MOST_EXAMPLES = 5

/** What an index run passed over. */
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

  /** Tells sources that could not be read, or lie in a folder that could not: they may well be there. */
  hidden(): (source: unknown) => boolean {
    const places = new Set(this.of('unreadable').map(({ place }) => place))
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

  /** For the end of the summary. */
  lines(): string[] {
    const kinds = [
      [this.count('binary'), 'binary file', 'binary files'],
      [this.count('empty'), 'empty text', 'empty texts'],
      [this.count('bad-line'), 'bad line', 'bad lines'],
      [this.count('other-kind'), 'file of other kinds', 'files of other kinds'],
      [this.count('ignored'), 'ignored by .gitignore', 'ignored by .gitignore'],
      [this.count('excluded'), 'excluded', 'excluded'],
      [this.count('unreadable'), 'that cannot be read', 'that cannot be read'],
    ] as const
    const words = kinds.filter(([n]) => n > 0).map(([n, one, many]) => counted(n, one, many))
    const messages = this.all.filter(({ reason }) => reason === 'bad-line' || reason === 'replaced-bytes')
    const more = messages.length - MOST_EXAMPLES
    return [
      ...(words.length > 0 ? [`${words.join(', ')} passed over`] : []),
      ...messages.slice(0, MOST_EXAMPLES).map(({ message }) => message),
      ...(more > 0 ? [`… and ${count(more)} more like these`] : []),
    ]
  }
}
