// What is asked on a terminal: keys go in, answers come out.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { askFolder, askTemplate, askYes, Cancelled } from '../../packages/create-serotine/src/questions.js'

const [ENTER, DOWN, CTRL_C] = ['\r', '\u001B[B', '\u0003']
const templates = ['nextjs', 'ai-sdk'].map((name) => ({ name, about: `About ${name}.`, files: {} }))

let shown: string
let terminal: { input: PassThrough; output: PassThrough }
beforeEach(() => {
  shown = ''
  terminal = { input: new PassThrough(), output: new PassThrough() }
  terminal.output.on('data', (chunk) => (shown += String(chunk)))
})

/** Types one key after the other once `question` has been asked that many times. */
async function type(keys: readonly string[], question: RegExp, times = 1): Promise<void> {
  await expect.poll(() => [...shown.matchAll(new RegExp(question, 'g'))].length).toBeGreaterThanOrEqual(times)
  for (const key of keys) {
    terminal.input.write(key)
    await new Promise((done) => setImmediate(done))
  }
}

it('chooses a template, with what it is beside its name', async () => {
  const asked = askTemplate(templates, terminal)
  await type([DOWN, ENTER], /Which template/)
  expect((await asked).name).toBe('ai-sdk')
  expect(shown).toContain('About nextjs.')
})

it('ends when Ctrl-C is pressed', async () => {
  const asked = askTemplate(templates, terminal)
  const ended = asked.catch((error: unknown) => error)
  await type([CTRL_C], /Which template/)
  expect(await ended).toBeInstanceOf(Cancelled)
  expect(shown).toContain('Nothing more was done.')
})

let here: string
beforeEach(() => {
  here = mkdtempSync(join(tmpdir(), 'serotine-questions-'))
})
afterEach(() => rmSync(here, { recursive: true, force: true }))

it('takes the suggested folder, and asks again for one that is not empty', async () => {
  mkdirSync(join(here, 'full'))
  writeFileSync(join(here, 'full', 'a'), '')
  const suggestion = join(here, 'new')
  const asked = askFolder(suggestion, terminal)
  await type([...join(here, 'full'), ENTER], /In which folder/)
  await expect.poll(() => shown).toMatch(/is not empty: it has a/)
  await type([ENTER], /In which folder/, 2)
  expect(await asked).toBe(suggestion)
})

it('asks for yes or no', async () => {
  const asked = askYes('Start it now?', terminal)
  await type(['n'], /Start it now/)
  expect(await asked).toBe(false)
})
