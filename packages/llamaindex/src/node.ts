import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'
import type { BaseNode, MessageContent, MetadataMode } from 'llamaindex'

/** Which metadata goes in front of a node's text, by the node's own excluded keys. LlamaIndex's `MetadataMode`. */
export type NodeMetadataMode = `${MetadataMode}`

const MODES: readonly string[] = ['ALL', 'EMBED', 'LLM', 'NONE']

/** @throws INVALID_ARGUMENT */
export function checkMetadataMode(mode: unknown): NodeMetadataMode {
  if (typeof mode === 'string' && MODES.includes(mode)) return mode as NodeMetadataMode
  throw new SerotineError('INVALID_ARGUMENT', `metadataMode must be one of ${MODES.join(', ')}, got ${describe(mode)}.`)
}

/** The text of a node that is encoded. */
export function textOf(node: BaseNode, mode: NodeMetadataMode): string {
  return node.getContent(mode as MetadataMode)
}

/** @throws INVALID_ARGUMENT naming the first that is not a node */
export function checkNodes(nodes: unknown, who: string): asserts nodes is readonly BaseNode[] {
  if (!Array.isArray(nodes))
    throw new SerotineError('INVALID_ARGUMENT', `${who} takes an array, got ${describe(nodes)}.`)
  nodes.forEach((node: Partial<BaseNode> | null | undefined, i) => {
    if (typeof node?.getContent === 'function') return
    throw new SerotineError('INVALID_ARGUMENT', `${who}: item ${i} is not a LlamaIndex node, got ${describe(node)}.`)
  })
}

/** LlamaIndex's own reading of a node mistakes a start of 0 for none. */
export function withStart<N extends BaseNode>(node: N, startCharIdx: number | undefined): N {
  if (startCharIdx !== undefined) (node as N & { startCharIdx?: number }).startCharIdx = startCharIdx
  return node
}

export function copyOf(node: BaseNode): BaseNode {
  return withStart(node.clone(), (node as { startCharIdx?: number }).startCharIdx)
}

/**
 * The text of a query: a string, or the text parts of a multi-modal message; images and files are ignored.
 *
 * @throws INVALID_ARGUMENT when there is no text
 */
export function queryText(query: MessageContent | undefined, who: string): string {
  const given = typeof query === 'string' ? [{ type: 'text', text: query } as const] : Array.isArray(query) ? query : []
  const parts = given.map((part) => (part.type === 'text' ? part.text : ''))
  const text = parts.filter((part) => part !== '').join('\n\n')
  if (text.trim() !== '') return text
  const what = query === undefined ? 'none was given' : `${describe(query)} contains no text`
  throw new SerotineError('INVALID_ARGUMENT', `${who} requires a query with text; ${what}.`)
}
