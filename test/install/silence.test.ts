// Nothing leaves the machine and nothing is written outside the folders given: seen from the operating system.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const core = new URL('../../packages/core/dist/index.js', import.meta.url)
const hasStrace = spawnSync('strace', ['-V']).status === 0

let scratch: string
let program: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'serotine-silence-'))
  program = join(scratch, 'search.mjs')
  writeFileSync(
    program,
    `import { ColBERT, MultiVectorIndex } from ${JSON.stringify(core.href)}
     const [folder, runtime, workers] = process.argv.slice(2)
     const model = await ColBERT.load(undefined, { offline: true, runtime, workers: Number(workers) })
     const index = await MultiVectorIndex.open(folder, { model })
     await index.upsert([{ id: 'kiwi', text: 'A kiwi is a bird that cannot fly.' }, { id: 'tern', text: 'Terns fly far.' }])
     const [hit] = await index.search('flightless birds')
     await index.close()
     await model.close()
     process.stdout.write(hit.id)`,
  )
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Runs the program with an empty home and an empty folder for temporary files. */
function search(name: string, runtime: string, workers: number, prefix: string[] = []) {
  const folder = join(scratch, name)
  const [home, temporary, index] = ['home', 'tmp', 'index'].map((part) => join(folder, part)) as [
    string,
    string,
    string,
  ]
  for (const path of [home, temporary]) mkdirSync(path, { recursive: true })
  const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...inherited } = process.env
  const [command, ...args] = [...prefix, process.execPath, program, index, runtime, String(workers)]
  const { stdout, stderr } = spawnSync(command!, args, {
    encoding: 'utf8',
    env: {
      ...inherited,
      HOME: home,
      USERPROFILE: home,
      LOCALAPPDATA: home,
      TMPDIR: temporary,
      TEMP: temporary,
      NODE_COMPILE_CACHE: '',
    },
  })
  return { stdout, stderr, index, leftBehind: [...readdirSync(home), ...readdirSync(temporary)] }
}

const CASES = [
  { runtime: 'native', workers: 0 },
  { runtime: 'native', workers: 2 },
  { runtime: 'wasm', workers: 0 },
]

describe.each(CASES)('load, index and search ($runtime, $workers workers)', ({ runtime, workers }) => {
  it('leave home and temporary folder empty', () => {
    const { stdout, stderr, leftBehind } = search(`${runtime}-${workers}`, runtime, workers)
    expect({ stdout, stderr, leftBehind }).toEqual({ stdout: 'kiwi', stderr: '', leftBehind: [] })
  })

  it.skipIf(!hasStrace)('open no socket, and write nowhere but in the index', () => {
    const log = join(scratch, `${runtime}-${workers}.strace`)
    const calls = 'network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat'
    const { stdout, index } = search(`traced-${runtime}-${workers}`, runtime, workers, [
      'strace',
      '-f',
      '-e',
      `trace=${calls}`,
      '-o',
      log,
    ])
    expect(stdout).toBe('kiwi')
    const lines = readFileSync(log, 'utf8').split('\n')
    // The trace is one of this program: it shows the index being written.
    expect(lines.some((line) => line.includes(index) && line.includes('O_CREAT'))).toBe(true)
    expect(lines.filter((line) => /\b(socket|connect|sendto|sendmsg|bind)\(/.test(line))).toEqual([])
    const changing = /O_WRONLY|O_RDWR|O_CREAT|\b(creat|mkdir|mkdirat|rename|renameat2?|link|linkat|symlink|symlinkat)\(/
    const outside = lines.filter(
      (line) => changing.test(line) && !line.includes(index) && !/"\/(dev|proc)\//.test(line),
    )
    expect(outside).toEqual([])
  })
})
