import type { z } from 'zod'
import type { Collections } from '../index/collections.js'
import type { CheckedServed, ServedModel } from '../options.js'
import type { BatchScores } from '../rerank/batching.js'
import type { Admission } from '../http/admission.js'

/** What became of the files of a folder. Counts are passages, but for `files`. */
export interface IndexedFolder {
  /** Name of the index that holds them. */
  readonly index: string
  readonly files: number
  readonly passages: number
  readonly added: number
  readonly updated: number
  readonly unchanged: number
  readonly removed: number
  /** What was left out, and why, in a line each. */
  readonly skipped: readonly string[]
}

/** Makes the tool `index_folder`. */
export interface FolderIndexing {
  /** Names that requests may ask for. No other folder is looked at. */
  readonly folders: readonly string[]
  /** Indexes one of `folders`; rejects with what the client is to be told. Called once at a time. */
  readonly run: (folder: string, call: { readonly signal: AbortSignal }) => Promise<IndexedFolder>
}

/** What the tools work with. */
export interface ToolContext extends Pick<CheckedServed, 'limits' | 'onLog'> {
  readonly collections: Collections
  readonly model: () => Promise<ServedModel>
  readonly score: (query: string, texts: readonly string[], signal: AbortSignal) => Promise<BatchScores>
  /** Calls that are worked on. */
  readonly admission: Admission
  /** How `metadata.source` of an index is cited. */
  readonly sourceOf: (source: string, index: string) => string
  readonly indexFolder?: FolderIndexing
}

export interface ToolCall {
  /** Aborted when the client gives up, the time is up or the server ends. */
  readonly signal: AbortSignal
  /** Tells a client that asked for it that work goes on. */
  readonly progress: (done: number, message: string) => void
}

export interface ToolResult<Content> {
  /** For clients that read text: short. */
  readonly text: string
  readonly content: Content
}

/** One tool: what a model reads of it, what is checked, what answers. */
export interface Tool<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodObject = z.ZodObject> {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly input: Input
  readonly output: Output
  /** Reads only: `{ readOnlyHint: true }`. */
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    readonly openWorldHint: boolean
  }
  /** Takes as long as it takes, instead of `limits.requestMs`. */
  readonly isLong?: boolean
  readonly handle: (input: z.output<Input>, call: ToolCall) => Promise<ToolResult<z.input<Output>>>
}

/** A tool whose handler's types are those of its schemas. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(tool: Tool<Input, Output>): Tool {
  return tool as unknown as Tool
}

/** Of tools that look something up. */
export const READS = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const
