// Stand-ins for vector databases, for the programs of docs/recipes: a few requests, checked strictly and answered truly.
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface VectorServer {
  /** The variable that a recipe reads, with the address. */
  readonly env: Readonly<Record<string, string>>
  readonly requests: readonly string[]
  close(): Promise<void>
}

type Answer = (request: string, body: never) => unknown

async function serve(variable: string, answer: Answer): Promise<VectorServer> {
  const requests: string[] = []
  const server: Server = createServer(async (request: IncomingMessage, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    const name = `${request.method} ${request.url}`
    requests.push(name)
    try {
      response.end(JSON.stringify(answer(name, JSON.parse(text) as never)))
    } catch (error) {
      response.writeHead(400).end((error as Error).message)
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    env: { [variable]: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    requests,
    close: () => new Promise((closed) => void server.close(() => closed()).closeAllConnections()),
  }
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message)
}
const ofLength = (vector: readonly number[] | undefined, size: number, name: string) =>
  check(vector?.length === size, `${name}: ${vector?.length} numbers, expected ${size}`)

interface Point {
  readonly id: number
  readonly payload: object
  readonly vector: { readonly fde: number[]; readonly tokens: number[][] }
}

/** Qdrant: a collection with a dense vector and a multivector, points, a query with a prefetch. */
export function startQdrant(): Promise<VectorServer> {
  let sizes: Record<'fde' | 'tokens', number> | undefined
  const points = new Map<number, Point>()
  return serve('QDRANT_URL', (request, body: Record<string, never>) => {
    if (request === 'PUT /collections/passages') {
      const { fde, tokens } = body['vectors']! as Record<
        string,
        { size: number; distance: string } & Record<string, object>
      >
      check(fde!.distance === 'Dot' && tokens!.distance === 'Dot', 'distance')
      check((tokens!['multivector_config'] as { comparator?: string })?.comparator === 'max_sim', 'multivector_config')
      sizes = { fde: fde!.size, tokens: tokens!.size }
      return { result: true, status: 'ok' }
    }
    check(sizes !== undefined, 'Not found: Collection `passages` does not exist!')
    if (request === 'PUT /collections/passages/points?wait=true') {
      for (const point of body['points']! as Point[]) {
        ofLength(point.vector.fde, sizes!.fde, 'fde')
        for (const row of point.vector.tokens) ofLength(row, sizes!.tokens, 'tokens')
        points.set(point.id, point)
      }
      return { result: { status: 'completed' }, status: 'ok' }
    }
    check(request === 'POST /collections/passages/points/query', `unknown request ${request}`)
    const { prefetch, query, using, limit } = body as never as {
      prefetch: { query: number[]; using: 'fde'; limit: number }
      query: number[][]
      using: string
      limit: number
    }
    ofLength(prefetch.query, sizes!.fde, 'prefetch')
    for (const row of query) ofLength(row, sizes!.tokens, 'query')
    check(prefetch.using === 'fde' && using === 'tokens', 'using')
    const best = <T extends { score: number }>(all: T[], count: number) =>
      all.sort((a, b) => b.score - a.score).slice(0, count)
    const found = best(
      [...points.values()].map((point) => ({ point, score: dot(prefetch.query, point.vector.fde) })),
      prefetch.limit,
    )
    const scored = found.map(({ point: { id, payload, vector } }) => ({
      id,
      payload,
      score: query.reduce((sum, row) => sum + Math.max(...vector.tokens.map((token) => dot(row, token))), 0),
    }))
    return { result: { points: best(scored, limit) }, status: 'ok' }
  })
}

/** Chroma's API v2: a collection compared by inner product, upsert, query. */
export function startChroma(): Promise<VectorServer> {
  const collections = '/api/v2/tenants/default_tenant/databases/default_database/collections'
  const rows = new Map<string, { embedding: number[]; document: string }>()
  return serve('CHROMA_URL', (request, body: Record<string, never>) => {
    if (request === `POST ${collections}`) {
      check((body['configuration'] as { hnsw?: { space?: string } } | undefined)?.hnsw?.space === 'ip', 'space')
      return { id: '7f3c', name: body['name'] }
    }
    if (request === `POST ${collections}/7f3c/upsert`) {
      const { ids, embeddings, documents } = body as never as {
        ids: string[]
        embeddings: number[][]
        documents: string[]
      }
      check(ids.length === embeddings.length && ids.length === documents.length, 'lengths')
      for (const [i, id] of ids.entries()) rows.set(id, { embedding: embeddings[i]!, document: documents[i]! })
      return {}
    }
    check(request === `POST ${collections}/7f3c/query`, `unknown request ${request}`)
    const { query_embeddings: queries, n_results: count } = body as never as {
      query_embeddings: number[][]
      n_results: number
    }
    const found = queries.map((query) =>
      [...rows]
        .map(([id, { embedding, document }]) => {
          ofLength(query, embedding.length, 'query_embeddings')
          return { id, document, distance: 1 - dot(query, embedding) }
        })
        .sort((a, b) => a.distance - b.distance)
        .slice(0, count),
    )
    return {
      ids: found.map((hits) => hits.map(({ id }) => id)),
      documents: found.map((hits) => hits.map(({ document }) => document)),
    }
  })
}
