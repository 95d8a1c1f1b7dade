import type { DocumentInterface } from '@langchain/core/documents'

/** What the page shows of a passage. */
export interface Source {
  number: number
  place: string
  text: string
  /** MaxSim ÷ tokens of the question: −1 … 1. */
  similarity: number
}

export function sourcesOf(documents: readonly DocumentInterface[]): Source[] {
  return documents.map(({ pageContent, metadata }, i) => ({
    number: i + 1,
    place: `${metadata['source']}:${metadata['line']}`,
    text: pageContent,
    similarity: Number(metadata['relevanceScore']),
  }))
}

/** A passage as a model reads it, with the number that it may cite. */
export function formatPassage(document: DocumentInterface, number: number): string {
  return `[${number}] (${document.metadata['source']}:${document.metadata['line']})\n${document.pageContent}`
}

const HEAD = /^\[(\d+)\] \([^)\n]*\)\n/

/** The passages of a text that was made of them. */
export function readPassages(text: string): { number: number; text: string }[] {
  return text.split(/^(?=\[\d+\] \([^)\n]*\)\n)/m).flatMap((part) => {
    const [head, number] = HEAD.exec(part) ?? []
    return head === undefined ? [] : [{ number: Number(number), text: part.slice(head.length) }]
  })
}
