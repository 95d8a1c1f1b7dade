import { defaultTreeAdapter, parse } from 'parse5'
import type { DefaultTreeAdapterMap, DefaultTreeAdapterTypes, Token, TreeAdapter } from 'parse5'
import type { ReadableText } from '../blocks.js'
import {
  HTML_NAMESPACE,
  LISTS,
  PREFORMATTED,
  SVG_NAMESPACE,
  attribute,
  display,
  shownAttribute,
} from './html-elements.js'
import { decodeAsLabel, decodeHtml } from './html-encoding.js'
import { TextWriter } from './html-writer.js'
import type { SourceText } from './html-source.js'

type Element = DefaultTreeAdapterTypes.Element
type Node = DefaultTreeAdapterTypes.ChildNode
type Document = DefaultTreeAdapterTypes.Document

/** Reads a page as a browser shows it, headings and list items marked as in Markdown, each part with its place in the HTML. */
export function readHtml(bytes: Uint8Array): ReadableText & { readonly replaced: boolean } {
  let decoded: { text: string; replaced: boolean; declared?: boolean } = decodeHtml(bytes)
  let page = parsePage(decoded.text)
  // Browsers, too, begin anew when an encoding is declared late.
  if (decoded.replaced && !decoded.declared) {
    const label = declaredEncoding(page.document)
    const again = label === undefined ? undefined : decodeAsLabel(label, bytes)
    if (again) [decoded, page] = [again, parsePage(again.text)]
  }
  return { ...showPage(page), replaced: decoded.replaced }
}

/** The same for HTML that is at hand as a string. */
export function readHtmlText(html: string): ReadableText {
  return showPage(parsePage(html))
}

interface Page {
  readonly html: string
  /** Where the document begins in it: after a byte order mark. */
  readonly offset: number
  readonly document: Document
}

/** Keeps places of words only: those of all elements take more memory than the page itself many times over. */
const treeAdapter: TreeAdapter<DefaultTreeAdapterMap> = {
  ...defaultTreeAdapter,
  setNodeSourceCodeLocation(node, location) {
    if (!location) return
    const { startOffset, endOffset } = location
    if (node.nodeName === '#text') node.sourceCodeLocation = { startOffset, endOffset } as Token.Location
    else if ('tagName' in node && shownAttribute(node)) node.sourceCodeLocation = location as Token.ElementLocation
  },
  updateNodeSourceCodeLocation(node, { endOffset }) {
    if (node.sourceCodeLocation && endOffset !== undefined) node.sourceCodeLocation.endOffset = endOffset
  },
}

function parsePage(html: string): Page {
  const offset = html.startsWith('\ufeff') ? 1 : 0
  return { html, offset, document: parse(html.slice(offset), { sourceCodeLocationInfo: true, treeAdapter }) }
}

function showPage(page: Page): ReadableText {
  const title = titleOf(page.document)
  let shown = render(page, false)
  // A page of navigation alone, e.g. a table of contents.
  if (shown.blocks.length === 0) shown = render(page, true)
  const { writer, ...readable } = shown
  const place = (start: number, end: number): { start: number; end: number } =>
    writer.sources.place(page.html, start, end)
  return { ...readable, ...(title && { title }), source: { text: page.html, place } }
}

/** `document.title`: the first `title` of HTML; those of drawings are something else. */
function titleOf(document: Document): string | undefined {
  const title = firstElement(
    document,
    ({ tagName, namespaceURI }) => tagName === 'title' && namespaceURI === HTML_NAMESPACE,
  )
  const text = title?.childNodes.map((node) => ('value' in node ? node.value : '')).join('')
  return text?.replace(/[ \t\n\f\r]+/g, ' ').trim()
}

function declaredEncoding(document: Document): string | undefined {
  const isDeclaration = (element: Element): boolean =>
    element.tagName === 'meta' && charsetOf(element) !== undefined && element.namespaceURI === HTML_NAMESPACE
  const meta = firstElement(document, isDeclaration)
  return meta && charsetOf(meta)
}

function charsetOf(meta: Element): string | undefined {
  const isPragma = attribute(meta, 'http-equiv')?.toLowerCase() === 'content-type'
  const content = isPragma ? attribute(meta, 'content') : undefined
  return attribute(meta, 'charset') ?? /charset\s*=\s*["']?([^\s;"']+)/i.exec(content ?? '')?.[1]
}

function firstElement(document: Document, wanted: (element: Element) => boolean): Element | undefined {
  // No recursion: pages may be nested as deep as they are long.
  const waiting: Node[] = document.childNodes.toReversed()
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (!('tagName' in node)) continue
    if (wanted(node)) return node
    for (let i = node.childNodes.length - 1; i >= 0; i--) waiting.push(node.childNodes[i]!)
  }
  return undefined
}

/** What an element hands down to its content. */
interface Context {
  readonly preformatted: boolean
  /** In a drawing, outside of its texts: characters are not painted. */
  readonly drawing: boolean
  readonly list?: List
}

interface List {
  readonly depth: number
  readonly ordered: boolean
  readonly step: 1 | -1
  next: number
}

interface Frame {
  readonly nodes: readonly Node[]
  readonly context: Context
  readonly leave?: () => void
  at: number
}

function render({ document, offset, html }: Page, withNavigation: boolean): ReadableText & { writer: TextWriter } {
  const writer = new TextWriter()
  const frames: Frame[] = [{ nodes: document.childNodes, at: 0, context: { preformatted: false, drawing: false } }]
  const sourceOf = (
    value: string,
    location: { startOffset: number; endOffset: number } | null | undefined,
  ): SourceText => ({
    value,
    start: offset + (location?.startOffset ?? 0),
    end: location ? offset + location.endOffset : html.length,
  })

  const enter = (element: Element, context: Context): void => {
    const shown = display(element, withNavigation)
    if (shown === 'none') return
    if (element.tagName === 'br') return writer.lineBreak()
    const inner = contextWithin(element, context)
    const leave = begin(writer, element, shown, inner)
    const name = shownAttribute(element)
    const value = name && attribute(element, name)
    if (value) writer.write(sourceOf(value, element.sourceCodeLocation?.attrs?.[name]))
    // An option's label stands for its text.
    const nodes = value && element.tagName === 'option' ? [] : contentOf(element)
    frames.push({ nodes, at: 0, context: inner, leave })
  }

  for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
    const node = frame.nodes[frame.at++]
    if (!node) {
      frames.pop()
      frame.leave?.()
    } else if ('tagName' in node) enter(node, frame.context)
    else if (node.nodeName === '#text' && !frame.context.drawing) {
      const source = sourceOf((node as DefaultTreeAdapterTypes.TextNode).value, node.sourceCodeLocation)
      if (frame.context.preformatted) writer.writePreformatted(source)
      else writer.write(source)
    }
  }
  return { ...writer.finish(), writer }
}

/** Tells the writer that an element begins. @returns what tells it that the element ends */
function begin(writer: TextWriter, element: Element, shown: string, { list }: Context): () => void {
  const { tagName } = element
  switch (shown) {
    case 'paragraph':
    case 'line': {
      const isNested = LISTS.has(tagName) && list !== undefined && list.depth > 0
      const lines = shown === 'paragraph' && !isNested ? 2 : 1
      writer.breakLine(lines)
      const isItem = tagName === 'li'
      if (isItem) writer.beginItem(markerOf(element, list))
      const isHeading = /^h[1-6]$/.test(tagName) && writer.beginHeading(Number(tagName[1]))
      return () => {
        if (isHeading) writer.endHeading()
        if (isItem) writer.endItem()
        writer.breakLine(lines)
      }
    }
    case 'row': {
      writer.breakLine(1)
      const outer = writer.beginRow()
      return () => {
        writer.endRow(outer)
        writer.breakLine(1)
      }
    }
    case 'cell':
      writer.beginCell()
      return () => writer.apart()
    case 'apart':
      writer.apart()
      return () => writer.apart()
    default:
      return () => undefined
  }
}

function contextWithin(element: Element, outer: Context): Context {
  const { tagName, namespaceURI } = element
  if (namespaceURI === SVG_NAMESPACE) {
    if (tagName === 'svg') return { ...outer, drawing: true }
    return tagName === 'text' || tagName === 'foreignObject' ? { ...outer, drawing: false } : outer
  }
  if (PREFORMATTED.has(tagName)) return { ...outer, preformatted: true }
  if (!LISTS.has(tagName)) return outer
  const items = element.childNodes.filter((node) => node.nodeName === 'li').length
  const isReversed = attribute(element, 'reversed') !== undefined
  const first = Number.parseInt(attribute(element, 'start') ?? '', 10)
  return {
    ...outer,
    list: {
      depth: outer.list ? outer.list.depth + 1 : 0,
      ordered: tagName === 'ol',
      step: isReversed ? -1 : 1,
      next: Number.isNaN(first) ? (isReversed ? items : 1) : first,
    },
  }
}

const MAX_INDENT = 8

function markerOf(element: Element, list: List | undefined): string {
  const indent = '  '.repeat(Math.min(list?.depth ?? 0, MAX_INDENT))
  if (!list?.ordered) return `${indent}- `
  const own = Number.parseInt(attribute(element, 'value') ?? '', 10)
  const number = Number.isNaN(own) ? list.next : own
  list.next = number + list.step
  return `${indent}${number}. `
}

function contentOf(element: Element): readonly Node[] {
  return 'content' in element ? (element as DefaultTreeAdapterTypes.Template).content.childNodes : element.childNodes
}
