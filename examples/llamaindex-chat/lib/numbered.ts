import { MetadataMode, TextNode } from 'llamaindex'
import type { BaseNodePostprocessor, NodeWithScore } from 'llamaindex'

const HEAD = /^\[(\d+)\] \([^)\n]*\)\n/

/** Puts a number and the place in front of each text, so that an answer can cite it. */
export class NumberedPassages implements BaseNodePostprocessor {
  async postprocessNodes(nodes: NodeWithScore[]): Promise<NodeWithScore[]> {
    return nodes.map(({ node, score }, i) => {
      const text = `[${i + 1}] (${placeOf(node.metadata)})\n${node.getContent(MetadataMode.NONE)}`
      return { node: new TextNode({ ...node, text }), ...(score !== undefined && { score }) }
    })
  }
}

export function placeOf({ source, line }: Record<string, unknown>): string {
  return `${source}:${line}`
}

/** The passages of a text in which they were numbered. */
export function readNumbered(text: string): { number: number; text: string }[] {
  return text.split(/\n\n(?=\[\d+\] \([^)\n]*\)\n)|^(?=\[\d+\] \([^)\n]*\)\n)/m).flatMap((part) => {
    const [head, number] = HEAD.exec(part) ?? []
    return head === undefined ? [] : [{ number: Number(number), text: part.slice(head.length) }]
  })
}
