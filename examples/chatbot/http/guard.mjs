// Who may call: the page itself, and nobody else's page.
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'

/**
 * Nothing but the page's own files runs or styles, and nothing on it is ever read as HTML: the browser refuses both.
 */
export const pageHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ["'none'"],
  },
  crossOriginOpenerPolicy: 'same-origin',
  crossOriginResourcePolicy: 'same-origin',
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
  // It is served over HTTP on this machine; what stands in front of it may say otherwise.
  strictTransportSecurity: false,
})

/**
 * Whether a name or address means this machine only.
 *
 * @param {string} host
 */
export function isLoopback(host) {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

/**
 * A page of another site can send requests to this machine, by a name of its own that leads here, too.
 *
 * @param {readonly string[]} allowedHosts beside those of this machine
 * @returns {import('hono').MiddlewareHandler}
 */
export function guard(allowedHosts) {
  return async (context, next) => {
    const host = (context.req.header('host') ?? '').toLowerCase()
    const name = host.replace(/:\d*$/, '')
    if (!isLoopback(name) && !allowedHosts.includes(name)) {
      throw new HTTPException(403, {
        message: `This server is not called ${JSON.stringify(name.slice(0, 100))}. ALLOWED_HOSTS adds names.`,
      })
    }
    const origin = context.req.header('origin')
    if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)) {
      throw new HTTPException(403, {
        message: `Pages of ${JSON.stringify(origin.slice(0, 100))} may not call this server.`,
      })
    }
    await next()
  }
}
