import { SerotineError } from '../../errors.js'
import type { Aligned, Change } from '../aligned-text.js'
import { graphemes } from '../unicode/graphemes.js'
import { transform } from '../aligned-text.js'

/** Bytes from which a cluster is looked up character by character only. */
const LONG_CLUSTER = 6
const PRINTABLE = /^[ -~]*$/

/**
 * SentencePiece's `precompiled_charsmap`: a double-array trie over bytes, and the strings its values point at. Applied as
 * the Rust crate spm_precompiled does, oddities included: a short grapheme cluster is replaced whole by what its
 * *shortest* known prefix maps to.
 *
 * @param charsmap base64, as in tokenizer.json
 * @throws MODEL_CORRUPT
 */
export function precompiled(charsmap: string): (source: Aligned) => Aligned {
  const bytes = Buffer.from(charsmap, 'base64')
  const size = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0
  if (size < 4 || size % 4 !== 0 || 4 + size > bytes.length) throw damaged(`a trie of ${size} bytes in ${bytes.length}`)
  const trie = Uint32Array.from({ length: size / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i))
  const strings = bytes.subarray(4 + size)
  const cache = new Map<string, string | undefined>()
  const utf8 = new TextEncoder()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

  const search = (chunk: string): string | undefined => {
    let node = offsetOf(trie[0]!)
    for (const byte of utf8.encode(chunk)) {
      if (byte === 0) break
      node ^= byte
      const unit = trie[node]
      if (unit === undefined) throw damaged(`node ${node} of ${trie.length}`)
      if ((unit & 0x800000ff) >>> 0 !== byte) return undefined
      node ^= offsetOf(unit)
      if (((unit >>> 8) & 1) === 0) continue
      const begin = (trie[node] ?? 0xffffffff) & 0x7fffffff
      if (begin > strings.length) throw damaged(`a string at ${begin} of ${strings.length}`)
      const end = strings.indexOf(0, begin)
      return decoder.decode(strings.subarray(begin, end < 0 ? strings.length : end))
    }
    return undefined
  }
  const lookUp = (chunk: string): string | undefined => {
    if (cache.has(chunk)) return cache.get(chunk)
    if (cache.size > 20_000) cache.clear()
    const found = search(chunk)
    cache.set(chunk, found)
    return found
  }
  let keepsAscii = true
  for (let c = 0x20; c < 0x7f; c++) if (lookUp(String.fromCharCode(c)) !== undefined) keepsAscii = false

  return (source) => {
    if (keepsAscii && PRINTABLE.test(source.text)) return source
    const changes: Change[] = []
    let modified = false
    const put = (from: string, to: string): void => {
      modified = true
      replace(changes, from, to)
    }
    for (const cluster of keepsAscii ? clusters(source.text) : graphemes(source.text)) {
      if (keepsAscii && cluster.length > 1 && PRINTABLE.test(cluster)) {
        for (const character of cluster) changes.push([character, 0])
        continue
      }
      const short = cluster.length < LONG_CLUSTER && utf8.encode(cluster).length < LONG_CLUSTER
      const mapped = short ? lookUp(cluster) : undefined
      if (mapped !== undefined) {
        put(cluster, mapped)
        continue
      }
      for (const character of cluster) {
        const single = lookUp(character)
        if (single === undefined) changes.push([character, 0])
        else put(character, single)
      }
    }
    return modified ? transform(source, changes) : source
  }
}

/** Grapheme clusters, where printable ASCII that nothing can join comes in whole runs. */
function* clusters(text: string): Iterable<string> {
  for (let at = 0; at < text.length;) {
    // All of a run but its last character, which a mark may follow; and then up to the next two of its kind.
    RUN.lastIndex = at
    const run = RUN.exec(text)?.[0].length ?? 0
    const end = at + run === text.length ? text.length : at + run - 1
    if (end > at) yield text.slice(at, end)
    if (end === text.length) return
    PAIR.lastIndex = Math.max(end, at) + 1
    const next = PAIR.exec(text)
    const until = next ? next.index + 1 : text.length
    yield* graphemes(text.slice(Math.max(end, at), until))
    at = until
  }
}

const RUN = /[ -~]+/y
const PAIR = /[ -~]{2}/g

/** As in Rust: a removal before the first character is forgotten, so later spans shift; ids do not. */
function replace(changes: Change[], from: string, to: string): void {
  for (const character of to) changes.push([character, 0])
  const difference = [...to].length - [...from].length
  for (let i = 0; i < difference; i++) {
    const at = changes.length - 1 - i
    changes[at] = [changes[at]![0], 1]
  }
  const last = changes.at(-1)
  if (difference < 0 && last) changes[changes.length - 1] = [last[0], last[1] + difference]
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6)
}

function damaged(what: string): SerotineError {
  return new SerotineError(
    'MODEL_CORRUPT',
    `tokenizer.json's precompiled_charsmap is damaged: ${what}. Download the model again.`,
  )
}
