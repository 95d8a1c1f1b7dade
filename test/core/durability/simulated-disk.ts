// What may be left of a folder when the power is cut: what was synced, and of what was not any part, in any state.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { FileEvent } from './recorded-files.js'

type Named = Extract<FileEvent, { op: 'create' | 'unlink' | 'rename' | 'mkdir' }>
type Written = Extract<FileEvent, { op: 'write' | 'truncate' }>

/** What becomes of one call that was not followed by a sync. */
export interface Fate {
  /** Of a name that was made, changed or removed. */
  name(): boolean
  /** Of bytes that were written: as they are, none, the first so many (a share), or room for them with other content. */
  write(): 'done' | 'lost' | 'zeros' | 'garbage' | { readonly share: number }
}

interface Contents {
  durable: Buffer
  pending: { readonly at: number; readonly event: Written }[]
}

/** A disk that keeps for sure only what it was told to sync, file by file and folder by folder. */
export class SimulatedDisk {
  readonly #root: string
  readonly #files = new Map<number, Contents>()
  readonly #folders = new Set<string>()
  readonly #names = new Map<string, number>()
  #pending: Named[] = []
  #events = 0

  /** @param root a folder that is there for sure */
  constructor(root: string) {
    this.#root = root
    this.#folders.add(root)
  }

  apply(event: FileEvent): void {
    const at = this.#events++
    if ('file' in event) this.#of(event.file)
    if (event.op === 'write' || event.op === 'truncate') this.#of(event.file).pending.push({ at, event })
    else if (event.op === 'sync') {
      const contents = this.#of(event.file)
      const due = contents.pending.filter((each) => each.at < event.upTo)
      contents.durable = due.reduce((bytes, { event: written }) => changed(bytes, written), contents.durable)
      contents.pending = contents.pending.filter((each) => each.at >= event.upTo)
    } else if (event.op === 'syncFolder') {
      const isHere = ({ path }: Named) => dirname(path) === event.path
      for (const each of this.#pending.filter(isHere)) rename(each, this.#names, this.#folders)
      this.#pending = this.#pending.filter((each) => !isHere(each))
    } else if (event.op !== 'mark') this.#pending.push(event)
  }

  /** Bytes of a file that survive whatever happens; undefined when its name or that of its folder may not. */
  durable(path: string): Buffer | undefined {
    const { durable, pending } = this.#files.get(this.#names.get(path) ?? -1) ?? { durable: undefined, pending: [] }
    for (let folder = dirname(path); folder !== this.#root; folder = dirname(folder))
      if (!this.#folders.has(folder)) return undefined
    // Writing to the middle, or cutting off: what is before stays.
    const first = Math.min(
      Infinity,
      ...pending.map(({ event }) => (event.op === 'write' ? event.at : event.length)),
      ...this.#pending.filter((each) => each.op !== 'mkdir' && pathsOf(each).includes(path)).map(() => 0),
    )
    return durable?.subarray(0, first)
  }

  /** Bytes of a file as everybody sees them while the power is there. */
  seen(file: number): Buffer {
    const { durable, pending } = this.#of(file)
    return pending.reduce((bytes, { event }) => changed(bytes, event), durable)
  }

  /** Puts into `target` what is left below the root. */
  cut(target: string, fate: Fate): void {
    const [names, folders] = [new Map(this.#names), new Set(this.#folders)]
    for (const each of this.#pending) if (fate.name()) rename(each, names, folders)
    for (const [path, file] of names) {
      if (!isThere(path, this.#root, folders)) continue
      const { durable, pending } = this.#of(file)
      const bytes = pending.reduce((before, { event }) => torn(before, event, fate), durable)
      const place = join(target, relative(this.#root, path))
      mkdirSync(dirname(place), { recursive: true })
      writeFileSync(place, bytes)
    }
  }

  #of(file: number): Contents {
    const known = this.#files.get(file)
    if (known) return known
    const contents = { durable: Buffer.alloc(0), pending: [] }
    this.#files.set(file, contents)
    return contents
  }
}

function isThere(path: string, root: string, folders: ReadonlySet<string>): boolean {
  for (let folder = dirname(path); folder !== root; folder = dirname(folder)) if (!folders.has(folder)) return false
  return true
}

function pathsOf(event: Named): string[] {
  return event.op === 'rename' ? [event.from, event.path] : [event.path]
}

function rename(event: Named, names: Map<string, number>, folders: Set<string>): void {
  if (event.op === 'mkdir') folders.add(event.path)
  else if (event.op === 'unlink') {
    if (names.get(event.path) === event.file) names.delete(event.path)
  } else {
    if (event.op === 'rename' && names.get(event.from) === event.file) names.delete(event.from)
    names.set(event.path, event.file)
  }
}

function changed(before: Buffer, event: Written): Buffer {
  if (event.op === 'truncate') return sized(before, event.length)
  const after = sized(before, Math.max(before.length, event.at + event.bytes.length))
  after.set(event.bytes, event.at)
  return after
}

function torn(before: Buffer, event: Written, fate: Fate): Buffer {
  const what = fate.write()
  if (what === 'lost') return before
  if (what === 'done' || event.op === 'truncate') return changed(before, event)
  const { bytes } = event
  if (what === 'zeros') return changed(before, { ...event, bytes: new Uint8Array(bytes.length) })
  if (what === 'garbage') return changed(before, { ...event, bytes: bytes.map((byte, i) => byte ^ (0x5a + i)) })
  return changed(before, { ...event, bytes: bytes.subarray(0, Math.floor(bytes.length * what.share)) })
}

function sized(before: Buffer, length: number): Buffer {
  const after = Buffer.alloc(length)
  before.copy(after, 0, 0, length)
  return after
}
