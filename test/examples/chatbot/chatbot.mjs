// The chatbot as people start it: its own process, a folder, an index in a folder that goes afterwards.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const server = fileURLToPath(new URL('../../../examples/chatbot/server.mjs', import.meta.url))

/**
 * @param {{ folder?: string, environment?: Record<string, string>, untilIndexed?: boolean }} [options]
 * @returns {Promise<{ url: string, output: () => string, ended: Promise<number | null>, close: () => Promise<void> }>}
 */
export async function startChatbot({ folder, environment = {}, untilIndexed = true } = {}) {
  const index = mkdtempSync(join(tmpdir(), 'serotine-chatbot-'))
  const { CHAT_MODEL, CHAT_FOLDER, ALLOWED_HOSTS, OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY, ...rest } =
    process.env
  const child = spawn(process.execPath, [server, ...(folder ? [folder] : [])], {
    env: { ...rest, PORT: '0', CHAT_INDEX: index, ...environment },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const close = async () => {
    child.kill()
    await ended
    rmSync(index, { recursive: true, force: true, maxRetries: 3 })
  }
  for (;;) {
    const url = /^Open +(\S+)$/m.exec(output)?.[1]
    if (url && (!untilIndexed || /^Indexed/m.test(output))) return { url, output: () => output, ended, close }
    if (child.exitCode !== null) {
      rmSync(index, { recursive: true, force: true })
      throw new Error(output)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** @param {string} url */
export const newChat = async (url) => (await (await fetch(`${url}/api/chats`, { method: 'POST' })).json()).id

/**
 * @param {string} url
 * @param {string} question
 * @param {string} [chat]
 * @returns {Promise<import('../../../examples/chatbot/chat/history.mjs').Turn>}
 */
export async function ask(url, question, chat) {
  const response = await fetch(`${url}/api/chats/${chat ?? (await newChat(url))}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ question }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${text}`)
  return JSON.parse(/^event: done\ndata: (.*)$/m.exec(text)[1]).turn
}

/**
 * @param {string} url
 * @param {string} name
 * @param {string | Uint8Array} content
 */
export const sendFile = (url, name, content) =>
  fetch(`${url}/api/files/${encodeURIComponent(name)}`, { method: 'PUT', body: content })
