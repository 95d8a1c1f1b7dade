// A process that changes an index is killed: at any time, while it recovers from having been killed too, and before any call of the file system.
// `npm run test:long` kills 200 at random, and one before each call; `npm test` some.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { childProgram } from '../../support/child-program.js'
import { random } from '../../support/fake-encoder.js'
import { isLong, times } from '../../support/long.js'
import { expectWhole } from './expect-whole.js'
import type { State } from './plain-index.js'
import { sessions, statesOf } from './workload.js'

const root = mkdtempSync(join(tmpdir(), 'serotine-kills-'))
let program: Awaited<ReturnType<typeof childProgram>>
beforeAll(async () => {
  program = await childProgram(new URL('kill-writer.ts', import.meta.url))
})
afterAll(() => {
  program?.remove()
  rmSync(root, { recursive: true, force: true })
})

/** What a process noted before it was killed: the last state that was acknowledged, −1 for not even an index, and the last that was begun. */
function notesOf(path: string): { done: number; begun: number; calls: number | undefined } {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  const last = (word: string) => lines.findLast((line) => line.startsWith(`${word} `))?.split(' ')[1]
  const [done, begun, calls] = [last('done'), last('begun'), last('calls')]
  return { done: Number(done ?? -1), begun: Number(begun ?? 0), calls: calls === undefined ? undefined : Number(calls) }
}

let started = 0
async function run(folder: string, name: string, revision: number, kill: { call?: number; after?: number }) {
  const notes = join(root, `notes-${started++}`)
  const args = [folder, name, '24', `${revision}`, notes, ...(kill.call === undefined ? [] : [`${kill.call}`])]
  const child = fork(program.path, args, { execArgv: [] })
  const exited = once(child, 'exit')
  if (kill.after !== undefined) {
    // Counted from its first note, or from its start while it opens the index.
    for (let waited = 0; !existsSync(notes) && waited < kill.after && child.exitCode === null; waited += 5)
      await sleep(5)
    await sleep(kill.after)
    child.kill('SIGKILL')
  }
  const [code, signal] = (await exited) as [number | null, string | null]
  expect([code, signal]).toEqual(code === 0 ? [0, null] : [null, 'SIGKILL'])
  return notesOf(notes)
}

test('killed at any time, again and again', async () => {
  const next = random(Number(process.env['SEROTINE_SEED'] ?? 1))
  for (const name of ['centroid codes', 'residual codes']) {
    const folder = join(root, name)
    mkdirSync(folder)
    let state: State = new Map()
    let [isMade, kills] = [false, 0]
    for (let revision = 0; kills < times(4, 100); revision++) {
      const { done, begun, calls } = await run(folder, name, revision, { after: Math.floor(next() ** 2 * 600) })
      const states = statesOf(sessions(24, revision), state)
      isMade ||= done >= 0
      state = await expectWhole(folder, name, {
        allowed: states.slice(Math.max(0, done), begun + 1),
        isMade,
        learns: revision % 10 === 0,
      })
      // It was still to be killed.
      if (calls === undefined) kills++
    }
    expect(readdirSync(folder).filter((file) => /lock|tmp/.test(file))).toEqual([])
  }
}, 7_200_000)

test('killed before any call', async () => {
  const name = 'residual codes'
  const states = statesOf(sessions(24))
  let calls = Infinity
  let [killed, step] = [0, isLong ? 1 : 97]
  for (let call = 1; call <= calls; call += step) {
    const folder = join(root, `call-${call}`)
    mkdirSync(folder)
    const { done, begun, calls: all } = await run(folder, name, 0, { call })
    calls = all ?? calls
    if (all === undefined) killed++
    const allowed = states.slice(Math.max(0, done), begun + 1)
    await expectWhole(folder, name, { allowed, isMade: done >= 0, learns: call % 10 === 0 })
    rmSync(folder, { recursive: true, force: true })
  }
  expect(killed).toBeGreaterThan(times(3, 200))
}, 7_200_000)
