import { nearestName } from '@serotine/core/options'
import { z } from 'zod'
import { HttpError } from './errors.js'
import type { Line } from './lines.js'

/** A checked request, as a handler gets it. */
export interface Call<Body, Query> {
  readonly body: Body
  readonly query: Query
  /** Parts of the path. */
  readonly params: Readonly<Record<string, string>>
  readonly requestId: string
  /** Aborted when the client is gone, the time is up or the server ends. */
  readonly signal: AbortSignal
  /** As it came; its body has been read. */
  readonly request: Request
  /** Something has been done: the time for the request begins anew. */
  readonly renew: () => void
}

/** A body that is read while it is answered. */
export interface LinesRoute<Query extends z.ZodObject = z.ZodObject> {
  /** One line of the body. */
  readonly line: z.ZodType
  /** One line of the answer. */
  readonly response: z.ZodType
  readonly handle: (
    call: Call<undefined, z.output<Query>> & { readonly lines: AsyncGenerator<Line> },
  ) => Promise<Response> | Response
}

/** One route: how it is called, what is checked, what answers. The OpenAPI description is made of these. */
export interface Route<Body extends z.ZodType = z.ZodType, Query extends z.ZodObject = z.ZodObject> {
  readonly method: 'get' | 'post' | 'delete'
  /** As in OpenAPI: `/v1/documents/{id}`. Several: the first one is documented, the others are the same under another name. */
  readonly paths: readonly [string, ...string[]]
  readonly summary: string
  readonly tag: string
  readonly body?: Body
  readonly query?: Query
  /** The same with a body of lines (`application/x-ndjson`). */
  readonly lines?: LinesRoute<Query>
  /** Content of a success. */
  readonly response: z.ZodType
  /** Default `application/json`. */
  readonly contentType?: string
  /** Statuses of errors beside those that every route has. */
  readonly errors?: readonly number[]
  /** The answer is sent while it is made: the request is under way until its end. */
  readonly streams?: boolean
  /** Needs no token and is answered at any time: probes. */
  readonly open?: boolean
  readonly handle: (call: Call<z.output<Body>, z.output<Query>>) => Promise<Response> | Response
}

/** A route whose handler's types are those of its schemas. */
export function defineRoute<Body extends z.ZodType = z.ZodUndefined, Query extends z.ZodObject = z.ZodObject>(
  route: Route<Body, Query>,
): Route {
  return route as unknown as Route
}

/** Problems told at once. */
const MOST_PROBLEMS = 5

/** @throws HttpError 400 that names each field, its value's kind and what it has to be */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.flatMap((issue) => problemsOf(issue, schema))
  const shown = issues.slice(0, MOST_PROBLEMS).join(' ')
  const more = issues.length > MOST_PROBLEMS ? ` And ${issues.length - MOST_PROBLEMS} more.` : ''
  throw new HttpError(400, 'INVALID_REQUEST', `${where}: ${shown}${more}`)
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType): string[] {
  const place = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  const name = place.replace(/^\./, '') || 'it'
  if (issue.code !== 'unrecognized_keys') return [`${name}: ${issue.message}.`]
  const known = issue.path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  return issue.keys.map((key) => {
    const guess = nearestName(key, known)
    const hint = guess
      ? `; did you mean ${JSON.stringify(guess)}?`
      : known.length > 0
        ? `; there are ${known.join(', ')}.`
        : '.'
    return `${place === '' ? '' : `${name}: `}there is no field ${JSON.stringify(key.slice(0, 100))}${hint}`
  })
}
