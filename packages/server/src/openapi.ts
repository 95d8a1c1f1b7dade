import { z } from 'zod'
import { errorSchema } from './http/errors.js'
import { NDJSON } from './http/lines.js'
import type { Route } from './http/route.js'

/** Errors of every route that works for its answer. */
const COMMON: Readonly<Record<number, string>> = {
  400: 'The request is wrong; the message says where.',
  403: 'The Host, the Origin or the change is not allowed.',
  404: 'There is none.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  429: 'Too much at once; try again after Retry-After.',
  500: 'The server failed; its log says why.',
  503: 'The time is up, or the server is starting or ending.',
}

export interface Description {
  readonly version: string
  /** Requests need a token. */
  readonly token: boolean
  readonly basePath: string
}

/** The OpenAPI 3.1 description, made of the schemas that requests are checked with: its dialect of JSON Schema is zod's own. */
export function openApi(routes: readonly Route[], { version, token, basePath }: Description): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    for (const path of route.paths) (paths[path] ??= {})[route.method] = operation(route, path, token)
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Serotine', version, description: 'Late-interaction search and reranking.' },
    servers: [{ url: basePath || '/' }],
    paths,
    components: {
      schemas: { Error: jsonSchema(errorSchema, 'output') },
      ...(token && { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }),
    },
  }
}

function operation(route: Route, path: string, token: boolean): object {
  const {
    method,
    summary,
    tag,
    body,
    lines,
    query,
    response,
    contentType = 'application/json',
    errors = [],
    open,
  } = route
  const refused = open
    ? [403, 503]
    : [403, 429, 500, 503, ...errors, ...(body || query ? [400] : []), ...(body ? [413, 415] : [])]
  const error = (description: string) => ({
    description,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  })
  const answers = [...new Set(refused)].sort().map((status) => [status, error(COMMON[status]!)] as const)
  return {
    operationId: `${method}${path.replace(/[^a-z\d]+(.)?/gi, (_, next: string = '') => next.toUpperCase())}`,
    summary,
    tags: [tag],
    ...(token && !open && { security: [{ token: [] }] }),
    parameters: [
      ...Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => ({
        name,
        in: 'path',
        required: true,
        schema: { type: 'string', minLength: 1 },
      })),
      ...Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
        name,
        in: 'query',
        required: !schema.safeParse(undefined).success,
        schema: jsonSchema(schema as z.ZodType, 'input'),
      })),
    ],
    ...(body && {
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: jsonSchema(body, 'input') },
          ...(lines && { [NDJSON]: { schema: linesOf(lines.line, 'input') } }),
        },
      },
    }),
    responses: {
      200: {
        description: 'Done.',
        content: {
          [contentType]: { schema: jsonSchema(response, 'output') },
          ...(lines && { [NDJSON]: { schema: linesOf(lines.response, 'output') } }),
        },
      },
      ...Object.fromEntries(answers),
      ...(token && !open && { 401: error('The token is missing or wrong.') }),
    },
  }
}

/** As JSON Schema describes a text of lines: by what each of them holds. */
function linesOf(line: z.ZodType, io: 'input' | 'output'): object {
  return {
    type: 'string',
    description: 'One JSON value a line.',
    contentMediaType: 'application/json',
    contentSchema: jsonSchema(line, io),
  }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io })
  return rest
}
