import { html, icon, script, style } from 'virtual:page'
import { z } from 'zod'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'

/**
 * Nothing but the page's own two files runs or styles; it talks to its own server only, and no other page frames it. Trusted Types: the
 * browser refuses to read any text as HTML.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const HEADERS = {
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
}

/** The page to search with. It holds nothing of an index, so it needs no token: what it asks for does. */
export function pageRoutes(basePath: string): Route[] {
  const files = [
    ['/', html, 'text/html'],
    ['/page.js', script, 'text/javascript'],
    ['/page.css', style, 'text/css'],
    ['/icon.svg', icon, 'image/svg+xml'],
  ] as const
  const routes = files.map(([path, text, contentType]) =>
    page(
      path,
      contentType,
      () => new Response(text, { headers: { ...HEADERS, 'Content-Type': `${contentType}; charset=utf-8` } }),
    ),
  )
  if (basePath === '') return routes
  // The page names its files relative to itself.
  return [
    ...routes,
    page('', 'text/html', () => new Response(null, { status: 308, headers: { Location: `${basePath}/` } })),
  ]
}

function page(path: string, contentType: string, handle: () => Response): Route {
  return defineRoute({
    method: 'get',
    paths: [path],
    summary: 'The page to search with',
    tag: 'page',
    open: true,
    response: z.string(),
    contentType,
    handle,
  })
}
