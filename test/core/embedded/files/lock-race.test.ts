// Six processes want the lock that a dead one left, at the same moment: one of them gets it.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { thisOwner } from '../../../../packages/core/src/embedded/files/lock-owner.js'
import { childProgram } from '../../../support/child-program.js'
import { times } from '../../../support/long.js'
import type { Order } from './lock-racer.js'

const ROUNDS = times(200, 2000)
const PROCESSES = 6
let folder: string
let program: Awaited<ReturnType<typeof childProgram>>
let racers: ChildProcess[]
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-lock-race-'))
  program = await childProgram(new URL('lock-racer.ts', import.meta.url))
  racers = Array.from({ length: PROCESSES }, () => fork(program.path, { execArgv: [] }))
})
afterAll(() => {
  for (const racer of racers) racer.kill('SIGKILL')
  program.remove()
  rmSync(folder, { recursive: true, force: true })
})

const tell = (order: Order): Promise<string[]> =>
  Promise.all(
    racers.map(async (racer) => {
      const answer = once(racer, 'message')
      racer.send(order)
      return (await answer)[0] as string
    }),
  )

test(`a dead lock has one heir, ${ROUNDS} times`, async () => {
  const dead = { ...thisOwner(), pid: 2 ** 22 + 1 }
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(join(folder, 'lock'), JSON.stringify({ ...dead, id: `round ${round}` }))
    const answers = await tell({ folder, at: Date.now() + 4 })
    expect(answers.sort()).toEqual([...Array<string>(PROCESSES - 1).fill('INDEX_LOCKED'), 'won'])
    expect(await tell('release')).toEqual(Array<string>(PROCESSES).fill('released'))
    expect(readdirSync(folder)).toEqual([])
  }
}, 600_000)
