// How the page is served, without a browser.
import { describe, expect, it } from 'vitest'
import { createServer } from '../../../packages/server/src/index.js'
import { FakeEncoder } from '../../support/fake-encoder.js'

const model = new FakeEncoder()
const get = (server: ReturnType<typeof createServer>, path: string, init: RequestInit = {}) =>
  server.fetch(new Request(`http://localhost${path}`, init as never))

describe('the page', () => {
  it('comes with a policy that lets nothing run but its own script', async () => {
    const server = createServer({ model })
    for (const [path, type] of [
      ['/', 'text/html'],
      ['/page.js', 'text/javascript'],
      ['/page.css', 'text/css'],
      ['/icon.svg', 'image/svg+xml'],
    ]) {
      const response = await get(server, path!)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`)
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
      const policy = response.headers.get('content-security-policy')!
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("script-src 'self'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toMatch(/unsafe|https?:|data:|\*/)
      expect((await response.text()).length).toBeGreaterThan(100)
    }
    expect((await get(server, '/', { method: 'HEAD' })).status).toBe(200)
    expect((await get(server, '/', { method: 'POST' })).status).toBe(405)
  })

  it('names only its own files, and holds no script or style of its own', async () => {
    const html = await (await get(createServer({ model }), '/')).text()
    const names = Array.from(html.matchAll(/(?:src|href)="([^"]*)"/g), ([, name]) => name)
    expect(new Set(names)).toEqual(new Set(['icon.svg', 'page.css', 'page.js', './', 'openapi.json']))
    expect(html).not.toMatch(/<script>|<style|style=|\son\w+=/)
    const script = await (await get(createServer({ model }), '/page.js')).text()
    expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/)
    // Of addresses only the name of a picture's language.
    expect(script.match(/https?:\/\/[^"'`]+/g)).toEqual(['http://www.w3.org/2000/svg'])
  })

  it('needs no token: what it asks for does', async () => {
    const server = createServer({ model, token: 'secret' })
    expect((await get(server, '/')).status).toBe(200)
    expect((await get(server, '/page.js')).status).toBe(200)
    expect((await get(server, '/v1/indexes')).status).toBe(401)
    const strange = await server.fetch(new Request('http://evil.example/', {}))
    expect(strange.status).toBe(200)
    expect((await createServer({ model }).fetch(new Request('http://evil.example/'))).status).toBe(403)
  })

  it('lies below a path, with a slash at its end', async () => {
    const server = createServer({ model, basePath: '/tools/search' })
    expect((await get(server, '/tools/search/')).status).toBe(200)
    expect((await get(server, '/tools/search/page.css')).status).toBe(200)
    const bare = await get(server, '/tools/search')
    expect([bare.status, bare.headers.get('location')]).toEqual([308, '/tools/search/'])
    expect((await get(server, '/')).status).toBe(404)
  })

  it('can be left out', async () => {
    const server = createServer({ model, page: false })
    for (const path of ['/', '/page.js', '/page.css', '/icon.svg']) expect((await get(server, path)).status).toBe(404)
    expect((await get(server, '/health')).status).toBe(200)
    expect(() => createServer({ page: 'no' } as never)).toThrow('page must be true or false, got "no"')
    expect(() => createServer({ readFile: 1 } as never)).toThrow('readFile must be a function, got 1')
    expect(() => createServer({ ui: false } as never)).toThrow('Did you mean "page"')
  })

  it('is not of the API that is described', async () => {
    const description = (await (await get(createServer({ model }), '/openapi.json')).json()) as { paths: object }
    expect(Object.keys(description.paths)).not.toContain('/')
    expect(Object.keys(description.paths)).not.toContain('/page.js')
  })
})
