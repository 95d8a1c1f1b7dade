import { createHash, timingSafeEqual } from 'node:crypto'
import type { CheckedOptions } from '../options.js'
import { HttpError } from './errors.js'

/** Whether a name or address means this machine only. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

/** Refuses who may not call. */
export interface Guard {
  /** That the server is called by a name of its own, and not by a page of another origin. @throws HttpError 403 */
  checkSender(request: Request): void
  /** That the token is there. @throws HttpError 401 */
  checkToken(request: Request): void
}

export function createGuard({ token, allowedHosts, allowedOrigins }: CheckedOptions): Guard {
  const expected = token === undefined ? undefined : digest(token)
  return {
    checkSender(request) {
      const host = hostOf(request)
      if (allowedHosts ? !allowedHosts.includes(host.name) : expected === undefined && !isLoopback(host.name)) {
        throw new HttpError(
          403,
          'HOST_NOT_ALLOWED',
          `The server is not called ${JSON.stringify(host.name.slice(0, 100))}. Add the name to allowedHosts (--allowed-host), or call it by another.`,
        )
      }
      const origin = request.headers.get('origin')
      if (origin === null || allowedOrigins.includes(origin) || isSameOrigin(origin, host.header)) return
      throw new HttpError(
        403,
        'ORIGIN_NOT_ALLOWED',
        `Pages of ${JSON.stringify(origin.slice(0, 100))} may not call this server. Add the origin to allowedOrigins.`,
      )
    },
    checkToken(request) {
      if (expected === undefined) return
      const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
      if (given !== undefined && timingSafeEqual(digest(given), expected)) return
      const why = given === undefined ? 'The request has no token.' : 'The token is not the right one.'
      throw new HttpError(401, 'UNAUTHORIZED', `${why} Send it as "Authorization: Bearer <token>".`, {
        'WWW-Authenticate': 'Bearer',
      })
    },
  }
}

/** Of equal length, whatever the token is. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** What the client calls the server. A request without the header, as handlers in an app may get one, is asked by its URL. */
function hostOf(request: Request): { header: string; name: string } {
  const header = request.headers.get('host') ?? new URL(request.url).host
  return { header, name: header.replace(/:\d*$/, '').toLowerCase() }
}

function isSameOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}
