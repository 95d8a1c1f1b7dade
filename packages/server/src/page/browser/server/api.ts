/** What the page asks of its server, as `openapi.json` describes it. */

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value }
export type Metadata = Record<string, Value>

export interface Match {
  readonly query_start: number
  readonly query_end: number
  readonly start: number
  readonly end: number
  readonly similarity: number
}

export interface Hit {
  readonly rank: number
  readonly first_stage_rank?: number
  readonly id: string
  readonly score: number
  readonly mean_similarity: number
  readonly max_sim?: number
  readonly keywords?: { readonly score: number; readonly words: readonly string[] }
  readonly text?: string
  readonly metadata: Metadata
  readonly matches?: readonly Match[]
}

export interface SearchAnswer {
  readonly index: string
  readonly first_stage: string
  readonly candidates: number
  readonly first_stage_ids?: readonly string[]
  readonly milliseconds: Readonly<Record<string, number>>
  readonly hits: readonly Hit[]
}

export interface FirstStage {
  readonly bytes: number
  readonly documents: number
  readonly suitability: { readonly recall: number; readonly candidates: number; readonly queries: number } | null
}

export interface IndexDescription {
  readonly name: string
  readonly writable: boolean
  readonly documents: number
  readonly deleted: number
  readonly tokens: number
  readonly bytes: number
  readonly bytes_by: Readonly<Record<string, number>>
  readonly model: string | null
  readonly dim: number | null
  readonly codec: string
  readonly first_stage: string
  readonly first_stages: Readonly<Record<string, FirstStage>>
  readonly hybrid: boolean
  readonly split_files: boolean
}

export interface Field {
  readonly name: string
  readonly types: readonly string[]
  readonly documents: number
  readonly values?: readonly { readonly value: string | number | boolean; readonly documents: number }[]
}

export interface Contents {
  readonly fields: readonly Field[]
  readonly common_words: readonly string[]
}

export interface Token {
  readonly token: string
  readonly start: number
  readonly end: number
}

export interface Similarities {
  readonly query_tokens: readonly Token[]
  readonly document_tokens: readonly Token[]
  readonly similarities: readonly (readonly number[])[]
}

export interface FileResult {
  readonly documents: number
  readonly split: boolean
  readonly added: number
  readonly updated: number
  readonly unchanged: number
  readonly deleted: number
}

/** An answer that is an error, or none at all (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfter: number,
  ) {
    super(message)
  }
}

const TOKEN = 'serotine-token'
/** Where storage is off, the token lasts as long as the page. */
let token = read()

function read(): string | undefined {
  try {
    return sessionStorage.getItem(TOKEN) ?? undefined
  } catch {
    return undefined
  }
}

export function setToken(value: string | undefined): void {
  token = value
  try {
    if (value === undefined) sessionStorage.removeItem(TOKEN)
    else sessionStorage.setItem(TOKEN, value)
  } catch {
    // Kept in memory all the same.
  }
}

/** @throws ApiError; AbortError when the signal says so */
export async function ask<T>(path: string, body?: object, signal?: AbortSignal): Promise<T> {
  let response: Response
  try {
    response = await fetch(path, {
      method: body ? 'POST' : 'GET',
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
      credentials: 'omit',
      redirect: 'error',
    })
  } catch (error) {
    signal?.throwIfAborted()
    // A token with characters that no header can have.
    const unsendable = error instanceof TypeError && token !== undefined && /[^\x21-\x7e]/.test(token)
    if (unsendable) throw new ApiError(401, 'UNAUTHORIZED', 'The token is not the right one.', 0)
    throw new ApiError(0, 'NO_ANSWER', 'The server does not answer.', 0)
  }
  const answer = (await response.json().catch(() => undefined)) as (T & { code?: string; message?: string }) | undefined
  if (response.ok && answer !== undefined) return answer
  const { code = 'UNKNOWN', message = `The server answered ${response.status}.` } = answer ?? {}
  throw new ApiError(response.status, code, message, Number(response.headers.get('Retry-After') ?? 0))
}
