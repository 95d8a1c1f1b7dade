import { readFile } from 'node:fs/promises'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { POST } from './app/api/chat/route.ts'
import { openIndex } from './lib/ai/embedding.ts'

const app = new Hono()
app.get('/', async (context) => context.html(await readFile(new URL('./app/page.html', import.meta.url), 'utf8')))
app.post('/api/chat', (context) => POST(context.req.raw))

// Reading starts now, not at the first question.
const index = await openIndex()
const port = Number(process.env['PORT'] ?? 3000)
serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, (address) => {
  void index.count().then((count) => console.log(`${count} passages. Ask at http://127.0.0.1:${address.port}`))
})
