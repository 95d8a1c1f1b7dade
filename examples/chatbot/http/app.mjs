// What the page asks for.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { streamSSE } from 'hono/streaming'
import { SerotineError } from '@serotine/core'
import { z } from 'zod'
import { UnreadableFile } from '../library/library.mjs'
import { guard, pageHeaders } from './guard.mjs'

/**
 * @typedef {object} AppOptions
 * @property {import('../library/library.mjs').Library} library
 * @property {import('../chat/graph.mjs').Chat} chat
 * @property {readonly string[]} allowedHosts
 * @property {number} maxFileBytes
 * @property {About} about
 * @property {(error: unknown) => void} onError
 *
 * @typedef {object} About What the page says of itself.
 * @property {string | null} chatModel
 * @property {string} retriever
 * @property {boolean} isSample
 * @property {string[]} suggestions questions to begin with
 * @property {number} maxFileBytes
 */

const page = fileURLToPath(new URL('../page/', import.meta.url))

/** Questions answered, and files read, at the same time. */
const MOST_ANSWERS = 64
const MOST_FILES = 4
/** Characters of a question. A ColBERT model reads a few dozen words of it. */
const LONGEST_QUESTION = 2_000
/** Milliseconds between two looks at how far indexing is. */
const PROGRESS_MS = 100
const QUIET_MS = 15_000

const questionSchema = z.object({
  question: z
    .string()
    .trim()
    .min(1, 'Ask something.')
    .max(LONGEST_QUESTION, `A question has at most ${LONGEST_QUESTION} characters.`),
})
const fileNameSchema = z.string().trim().min(1).max(255)

/** @param {AppOptions} options */
export function createApp({ library, chat, allowedHosts, maxFileBytes, about, onError }) {
  const app = new Hono()
  const answering = counter(MOST_ANSWERS, 'The server answers as many questions as it can. Try again in a moment.')
  const reading = counter(MOST_FILES, 'The server reads as many files as it can. Try again in a moment.')

  app.use(guard(allowedHosts), pageHeaders)
  app.onError((error, context) => {
    if (error instanceof HTTPException) return context.json({ message: error.message }, error.status)
    onError(error)
    return context.json({ message: 'Something failed on the server. Its log says what.' }, 500)
  })
  app.notFound((context) => context.json({ message: 'There is nothing here.' }, 404))

  app.get('/api/about', (context) => context.json(about))

  // The state of the library now, and at every change.
  app.get('/api/library', (context) =>
    streamSSE(context, async (stream) => {
      const changes = { any: true }
      const unwatch = library.watch(() => (changes.any = true))
      const ended = new Promise((resolve) => stream.onAbort(() => resolve(undefined)))
      for (let quiet = 0; !stream.aborted && !library.closed; quiet += PROGRESS_MS) {
        // Also now and then without a change, as a sign of life.
        if (changes.any || quiet >= QUIET_MS) {
          ;[changes.any, quiet] = [false, 0]
          await stream.writeSSE({ event: 'state', data: JSON.stringify(library.state) })
        }
        await Promise.race([stream.sleep(PROGRESS_MS), ended])
      }
      unwatch()
    }),
  )

  app.put(
    '/api/files/:name',
    bodyLimit({
      maxSize: maxFileBytes,
      onError: () => {
        throw tooLarge(maxFileBytes)
      },
    }),
    async (context) => {
      const name = fileName(context.req.param('name'))
      const leave = reading()
      try {
        const bytes = new Uint8Array(await context.req.arrayBuffer())
        if (bytes.length === 0) throw new HTTPException(400, { message: 'The file is empty.' })
        return context.json(await library.addFile(name, bytes, context.req.raw.signal))
      } catch (error) {
        throw SerotineError.isInstance(error) || error instanceof UnreadableFile
          ? new HTTPException(422, { message: error.message })
          : error
      } finally {
        leave()
      }
    },
  )

  app.delete('/api/files/:name', async (context) => {
    const name = fileName(context.req.param('name'))
    if (!(await library.removeFile(name))) throw new HTTPException(404, { message: 'No such file was sent.' })
    return context.json({})
  })

  // Nobody can guess the id of another's conversation.
  app.post('/api/chats', (context) => context.json({ id: randomUUID() }))
  app.get('/api/chats/:id', async (context) =>
    context.json({ turns: await chat.turns(chatId(context.req.param('id'))) }),
  )

  app.post(
    '/api/chats/:id',
    bodyLimit({
      maxSize: 16_384,
      onError: () => {
        throw tooLarge(16_384)
      },
    }),
    async (context) => {
      const id = chatId(context.req.param('id'))
      const asked = questionSchema.safeParse(await context.req.json().catch(() => undefined))
      if (!asked.success)
        throw new HTTPException(400, { message: asked.error.issues[0]?.message ?? 'This is no question.' })
      if (chat.isAnswering(id)) throw new HTTPException(409, { message: 'The last question is still being answered.' })
      const leave = answering()
      return streamSSE(context, async (stream) => {
        // Whoever leaves does not wait for the rest.
        stream.onAbort(() => void chat.stop(id))
        try {
          for await (const { type, ...data } of chat.ask(id, asked.data.question))
            await stream.writeSSE({ event: type, data: JSON.stringify(data) })
        } catch (error) {
          onError(error)
          await stream.writeSSE({
            event: 'failed',
            data: JSON.stringify({ message: 'Something failed on the server. Its log says what.' }),
          })
        } finally {
          leave()
        }
      })
    },
  )

  app.post('/api/chats/:id/stop', (context) => {
    if (chat.stop(chatId(context.req.param('id')))) return context.json({})
    throw new HTTPException(409, { message: 'Nothing is being answered.' })
  })

  // The same parser of Markdown that reads documents, as its package has it for browsers.
  app.get('/vendor/markdown-it.js', async (context) => {
    const source = await readFile(new URL(import.meta.resolve('markdown-it/browser')), 'utf8')
    return context.body(source, 200, { 'Content-Type': 'text/javascript; charset=utf-8' })
  })
  app.get('*', serveStatic({ root: page }))
  return app
}

/** @param {string} name */
function fileName(name) {
  const checked = fileNameSchema.safeParse(name)
  if (!checked.success) throw new HTTPException(400, { message: 'A file name has 1 to 255 characters.' })
  return checked.data
}

/** @param {string} id */
function chatId(id) {
  if (!z.uuid().safeParse(id).success) throw new HTTPException(404, { message: 'There is no such conversation.' })
  return id
}

/** @param {number} bytes */
function tooLarge(bytes) {
  const most = bytes >= 1_000_000 ? `${Math.round(bytes / 1_000_000)} MB` : `${Math.round(bytes / 1000)} kB`
  return new HTTPException(413, {
    message: `This is larger than ${most}, the most that the server takes (MAX_FILE_MB).`,
  })
}

/**
 * @param {number} most
 * @param {string} message
 * @returns {() => () => void} enters and gives the way out
 */
function counter(most, message) {
  let inside = 0
  return () => {
    if (inside >= most) throw new HTTPException(503, { message })
    inside++
    return () => {
      inside--
    }
  }
}
