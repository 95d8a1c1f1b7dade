import { parse as parseToml } from 'smol-toml'
import { isMap, isScalar, parseDocument } from 'yaml'

/** The metadata Markdown files may begin with. */
export interface FrontMatter {
  /** Where the Markdown begins; 0 without front matter. */
  readonly end: number
  readonly title?: string
}

const NONE: FrontMatter = { end: 0 }

/**
 * YAML between two lines of `---` (or `---` and `...`), or TOML between two lines of `+++`, at the very start of a text.
 * What stands between two rules and is no table of names and values is prose, and left where it is.
 */
export function frontMatter(text: string): FrontMatter {
  const open = /^\ufeff?(---|\+\+\+)[ \t]*\r?\n/.exec(text)
  if (!open) return NONE
  const close =
    open[1] === '---' ? /^(?:---|\.\.\.)[ \t]*(?:\r?\n|$(?![\s\S]))/gm : /^\+\+\+[ \t]*(?:\r?\n|$(?![\s\S]))/gm
  close.lastIndex = open[0].length
  const closing = close.exec(text)
  if (!closing) return NONE
  const body = text.slice(open[0].length, closing.index)
  const found = open[1] === '---' ? yamlTitle(body) : tomlTitle(body)
  if (!found) return NONE
  const title = found.title?.replace(/\s+/g, ' ').trim()
  return { end: closing.index + closing[0].length, ...(title && { title }) }
}

/** Nobody's metadata is nested deeper; a parser that calls itself once a level might end the process. */
const MAX_DEPTH = 100

/** An upper bound of how deep YAML is nested: indentation and marks before a line's words, and open brackets. */
function isTooDeep(body: string): boolean {
  let open = 0
  for (const bracket of body.matchAll(/[[\]{}]/g)) {
    open = Math.max(0, open + (bracket[0] === '[' || bracket[0] === '{' ? 1 : -1))
    if (open > MAX_DEPTH) return true
  }
  return /^[ \t?:!&*-]{200}/m.test(body)
}

/** @returns undefined for what is no mapping */
function yamlTitle(body: string): { title?: string } | undefined {
  if (isTooDeep(body)) return undefined
  const document = parseDocument(body, { version: '1.2', logLevel: 'silent', uniqueKeys: false })
  const map = document.contents
  const firstKey = isMap(map) ? map.items[0]?.key : undefined
  // "The keeper said: storms come." is a mapping to YAML, but a sentence to its reader.
  if (!isMap(map) || !isScalar(firstKey) || /\s/.test(String(firstKey.value))) return undefined
  // `title: Harbour: the rules` is not YAML, yet written often, and was meant as front matter.
  if (document.errors.length > 0) return looksLikeFields(body) ? titleAsWritten(body) : undefined
  const title = map.get('title', true)
  if (!isScalar(title) || title.value === null) return {}
  // `title: 1.10` is a name, not the number 1.1.
  return { title: typeof title.value === 'string' ? title.value : (title.source ?? String(title.value)) }
}

function tomlTitle(body: string): { title?: string } | undefined {
  try {
    const { title } = parseToml(body)
    return title === undefined || typeof title === 'object' ? {} : { title: String(title) }
  } catch {
    return undefined
  }
}

const FIELD = /^([\p{L}_][\p{L}\p{N}_.-]*):(?:[ \t]+(\S.*))?$/u

function looksLikeFields(body: string): boolean {
  const lines = body.split(/\r?\n/).filter((line) => line.trim() !== '' && !/^(?:[ \t#]|- )/.test(line))
  return lines.every((line) => FIELD.test(line.trimEnd()))
}

function titleAsWritten(body: string): { title?: string } {
  for (const line of body.split(/\r?\n/)) {
    const [, name, value] = FIELD.exec(line.trimEnd()) ?? []
    if (name === 'title' && value !== undefined) return { title: value }
  }
  return {}
}
