import type { ColBERTConfig } from '../../../packages/core/src/checkpoint/types.js'

/** A piece of a page. */
export interface Passage {
  /** Without its ending. */
  readonly page: string
  /** Of the heading above; '' at the top of the page. */
  readonly anchor: string
  readonly title: string
  readonly heading: string
  readonly text: string
  /** Token vectors it has in `vectors.bin`. */
  readonly vectors: number
}

/** `passages.json`, which scripts/docs-search.mjs writes. */
export interface Contents {
  readonly dim: number
  readonly config: ColBERTConfig
  /** Bytes of the other files, as they are loaded. */
  readonly files: Readonly<Record<string, number>>
  /** Changes with the files. */
  readonly version: string
  readonly passages: readonly Passage[]
}

/** What was encoded for a passage. */
export const textOf = ({ title, heading, text }: Passage): string => [title, heading, text].filter(Boolean).join('\n')
