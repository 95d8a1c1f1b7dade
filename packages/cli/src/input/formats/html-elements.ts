// What the HTML Standard's rendering section (15.3) and browsers make of elements, as far as it decides which words are
// shown and which stand apart.

/**
 * - `none`: not shown
 * - `paragraph`, `line`: a block, with and without a blank line around it
 * - `row`, `cell`: of a table
 * - `apart`: in the line, its words never joined to those beside it
 * - `inline`: part of the text around it
 */
export type Display = 'none' | 'paragraph' | 'line' | 'row' | 'cell' | 'apart' | 'inline'

const HTML: Readonly<Record<Exclude<Display, 'inline'>, string>> = {
  // Players, frames and canvases show their own content, not their children. Navigation is no page's text.
  none:
    'area audio base basefont canvas datalist embed frame frameset head iframe link meta nav noembed noframes noscript ' +
    'param rp script source style template title track video',
  paragraph:
    'blockquote details dir dl fieldset figure h1 h2 h3 h4 h5 h6 hr listing menu ol p plaintext pre table ul xmp',
  line:
    'address article aside body caption center dd dialog div dt figcaption footer form header hgroup html legend li main ' +
    'optgroup option search section select summary tbody textarea tfoot thead',
  row: 'tr',
  cell: 'td th',
  apart: 'button input img marquee meter object output progress rt',
}
/** Text of drawings stands in `text`; the rest is never painted, or painted elsewhere. */
const SVG_NONE =
  'clipPath defs desc filter linearGradient marker mask metadata pattern radialGradient script style symbol title'
const MATH_NONE = 'annotation annotation-xml'

const displayOf = new Map<string, Display>(
  Object.entries(HTML).flatMap(([display, names]) =>
    names.split(' ').map((name) => [name, display as Display] as const),
  ),
)
const foreignNone = new Set(`${SVG_NONE} ${MATH_NONE}`.split(' '))

export const HTML_NAMESPACE = 'http://www.w3.org/1999/xhtml'
export const SVG_NAMESPACE = 'http://www.w3.org/2000/svg'

interface ElementLike {
  readonly tagName: string
  readonly namespaceURI: string
  readonly attrs: readonly { readonly name: string; readonly value: string }[]
}

export function attribute(element: ElementLike, name: string): string | undefined {
  return element.attrs.find((candidate) => candidate.name === name)?.value
}

/** @param withNavigation shows `nav` too */
export function display(element: ElementLike, withNavigation: boolean): Display {
  if (isHidden(element)) return 'none'
  if (element.namespaceURI !== HTML_NAMESPACE) {
    if (foreignNone.has(element.tagName)) return 'none'
    return element.tagName === 'text' || element.tagName === 'svg' ? 'apart' : 'inline'
  }
  // A declarative shadow tree is shown in its host's place.
  if (element.tagName === 'template' && attribute(element, 'shadowrootmode') !== undefined) return 'inline'
  if (element.tagName === 'nav' && withNavigation) return 'line'
  return displayOf.get(element.tagName) ?? 'inline'
}

function isHidden(element: ElementLike): boolean {
  for (const { name, value } of element.attrs) {
    // "until-found" is hidden until someone searches for its words.
    if (name === 'hidden' && value.toLowerCase() !== 'until-found') return true
    if (name === 'style' && /(?:^|;)\s*display\s*:\s*none\b/i.test(value)) return true
  }
  return false
}

/** Inputs whose value is not shown as text. */
const WITHOUT_TEXT = new Set(['checkbox', 'color', 'file', 'hidden', 'password', 'radio', 'range'])

/** The attribute that an element shows instead of, or before, its content. */
export function shownAttribute(element: ElementLike): string | undefined {
  if (element.namespaceURI !== HTML_NAMESPACE) return undefined
  switch (element.tagName) {
    case 'img':
      return 'alt'
    case 'optgroup':
    case 'option':
      return 'label'
    case 'input': {
      const type = attribute(element, 'type')?.toLowerCase() ?? 'text'
      return type === 'image' ? 'alt' : WITHOUT_TEXT.has(type) ? undefined : 'value'
    }
    default:
      return undefined
  }
}

/** Elements whose blanks and line ends are kept. */
export const PREFORMATTED: ReadonlySet<string> = new Set(['listing', 'plaintext', 'pre', 'textarea', 'xmp'])
export const LISTS: ReadonlySet<string> = new Set(['dir', 'menu', 'ol', 'ul'])
