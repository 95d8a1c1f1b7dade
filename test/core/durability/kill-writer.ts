// Run in a process of its own: changes an index until it is killed, and notes what was begun and acknowledged.
// node kill-writer.mjs FOLDER INDEX SIZE REVISION NOTES [CALL]: it kills itself before file-system call CALL.
import fs, { appendFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [folder, name, size, revision, notes, call] = process.argv.slice(2) as [string, string, ...string[]]
const note = (line: string) => append(notes!, `${line}\n`)
const append = appendFileSync

let calls = 0
if (call !== undefined) {
  for (const each of [
    'openSync',
    'writeSync',
    'writeFileSync',
    'ftruncateSync',
    'fsyncSync',
    'fdatasync',
    'renameSync',
    'linkSync',
    'rmSync',
    'mkdirSync',
    'closeSync',
  ] as const) {
    const real = fs[each] as (...args: unknown[]) => unknown
    Object.assign(fs, {
      [each]: (...args: unknown[]) => {
        if (++calls === Number(call)) process.kill(process.pid, 'SIGKILL')
        return real(...args)
      },
    })
  }
  syncBuiltinESMExports()
}
const { optionsOf, sessions, work } = await import('./workload.js')
await work(
  folder,
  optionsOf(name),
  sessions(Number(size), Number(revision)),
  (state) => note(`begun ${state}`),
  (state) => note(`done ${state}`),
)
note(`calls ${calls}`)
