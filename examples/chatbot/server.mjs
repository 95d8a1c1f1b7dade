// npm start -- ./my-docs
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { ColBERT } from '@serotine/core'
import { isAddress } from 'serotine'
import { Chat } from './chat/graph.mjs'
import { openModel } from './chat/models.mjs'
import { createApp } from './http/app.mjs'
import { Library } from './library/library.mjs'
import { USAGE, readSettings } from './settings.mjs'

const SUGGESTIONS = [
  'When does the serotine leave its roost?',
  'How do bats find their prey in the dark?',
  'What should I do if I find a bat indoors?',
  'Where should a bat box hang?',
]

const settings = await orStop(async () => readSettings(process.argv.slice(2), process.env))
if (settings.help) {
  console.log(USAGE)
  process.exit()
}
const onError = (/** @type {unknown} */ error) => console.error(error)

const [model, chatModel] = await orStop(() =>
  Promise.all([
    // In a thread of its own, so that answers are sent while files are encoded.
    ColBERT.load(settings.colbertModel, { workers: 1 }),
    settings.chatModel === undefined ? undefined : openModel(settings.chatModel, process.env),
  ]),
)
const library = await orStop(() =>
  Library.open({
    where: isAddress(settings.index) ? settings.index : join(settings.index, model.name.replace(/[^\w.-]+/g, '-')),
    model,
  }),
)
const chat = new Chat({
  library,
  onError,
  silenceMs: settings.silenceMs,
  ...(chatModel && { chatModel }),
  ...(settings.threshold !== undefined && { threshold: settings.threshold }),
})
const app = createApp({
  library,
  chat,
  onError,
  allowedHosts: settings.allowedHosts,
  maxFileBytes: settings.maxFileBytes,
  about: {
    chatModel: chatModel?.name ?? null,
    retriever: model.name,
    isSample: settings.isSample,
    suggestions: settings.isSample ? SUGGESTIONS : [],
    maxFileBytes: settings.maxFileBytes,
  },
})

const server = serve({ fetch: app.fetch, hostname: settings.host, port: settings.port }, ({ port }) => {
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  console.log(`Chat about ${settings.folder}`)
  console.log(`Answers    ${chatModel?.name ?? 'quotations, offline (CHAT_MODEL switches to a chat model)'}`)
  console.log(`Open       http://${host === '127.0.0.1' ? 'localhost' : host}:${port}`)
})
server.on('error', (error) => stop(error))

library.addFolder(settings.folder).then(
  () => {
    const { documents, passages } = library.state
    console.log(`Indexed    ${documents.length} documents, ${passages} passages`)
  },
  (error) => {
    if (!library.closed) onError(error)
  },
)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close()
    await library.close()
    await model.close()
    process.exit()
  })
}

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function orStop(work) {
  try {
    return await work()
  } catch (error) {
    return stop(error)
  }
}

/**
 * @param {unknown} error
 * @returns {never}
 */
function stop(error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
