// What the command line and the environment say.
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isAddress } from 'serotine'
import { z } from 'zod'
import { isLoopback } from './http/guard.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
export const SAMPLE = resolve(here, 'sample')

export const USAGE = `Usage: npm start -- [folder]

  folder           what to talk about; default: the sample

  CHAT_MODEL       provider:model, like openai:gpt-5-mini, ollama:llama3.2, anthropic:claude-haiku-4-5;
                   default: none, answers are quotations
  COLBERT_MODEL    a Hugging Face id or a folder; default: the model that is included
  CHAT_THRESHOLD   mean similarity below which nothing was found; default 0.83, measured for the included model
  CHAT_SILENCE     seconds after which a silent chat model is given up; default 60
  CHAT_INDEX       where the index is kept: a folder, or an address like postgres://localhost/app; default .index
  MAX_FILE_MB      largest file that can be sent; default 25
  HOST, PORT       default 127.0.0.1 and 3000
  ALLOWED_HOSTS    names that the server is called by, with commas between them; needed for a HOST that others can reach`

const environmentSchema = z.object({
  CHAT_FOLDER: z.string().optional(),
  CHAT_MODEL: z.string().optional(),
  COLBERT_MODEL: z.string().optional(),
  CHAT_THRESHOLD: z.coerce.number().min(-1).max(1).optional(),
  CHAT_SILENCE: z.coerce.number().positive().default(60),
  CHAT_INDEX: z.string().default(resolve(here, '.index')),
  MAX_FILE_MB: z.coerce.number().positive().max(500).default(25),
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(3000),
  ALLOWED_HOSTS: z.string().default(''),
})

/**
 * @typedef {ReturnType<typeof readSettings>} Settings
 *
 * @param {string[]} argv
 * @param {Readonly<Record<string, string | undefined>>} environment
 */
export function readSettings(argv, environment) {
  const { positionals, values } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  })
  // An empty variable is one that is not set.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const checked = environmentSchema.safeParse(given)
  if (!checked.success) {
    const [issue] = checked.error.issues
    const name = String(issue?.path[0])
    throw new Error(`${name} is ${JSON.stringify(given[name])}: ${issue?.message}.`)
  }
  const { CHAT_FOLDER, HOST, ALLOWED_HOSTS, ...rest } = checked.data
  const folder = resolve(positionals[0] ?? CHAT_FOLDER ?? SAMPLE)
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new Error(`${folder} is no folder.`)
  const allowedHosts = ALLOWED_HOSTS.split(',')
    .map((name) => name.trim().toLowerCase())
    .filter(Boolean)
  if (!isLoopback(HOST) && allowedHosts.length === 0) {
    throw new Error(
      `HOST is ${HOST}, which other machines can reach. Say by which names: ALLOWED_HOSTS=chat.example.org. There is no sign-in: put one in front.`,
    )
  }
  return {
    help: values.help === true,
    folder,
    isSample: folder === SAMPLE,
    host: HOST,
    port: rest.PORT,
    allowedHosts,
    index: isAddress(rest.CHAT_INDEX) ? rest.CHAT_INDEX : resolve(rest.CHAT_INDEX),
    maxFileBytes: Math.round(rest.MAX_FILE_MB * 1_000_000),
    chatModel: rest.CHAT_MODEL,
    colbertModel: rest.COLBERT_MODEL,
    threshold: rest.CHAT_THRESHOLD,
    silenceMs: rest.CHAT_SILENCE * 1000,
  }
}
