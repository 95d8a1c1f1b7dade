import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { serotine, workFolder } from './run-cli.js'

const work = workFolder('library')
const run = (...args: string[]) => serotine(args, { cwd: work.path })
const file = (kind: string) => {
  const folder = join(work.path, '.serotine')
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(kind))!,
  )
}
function flip(path: string, at = 5): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 0x10
  writeFileSync(path, bytes)
}

beforeEach(async () => {
  await run('index', 'library', '--rebuild', '-q')
})

test('verify prints a line per file of a whole index, and ends with 0', async () => {
  const { code, stdout, stderr } = await run('verify')
  expect([code, stderr]).toEqual([0, expect.stringContaining('.serotine is as it was written: 6 files')])
  expect(stdout.split('\n')[0]).toMatch(/^file +holds +size +state$/)
  expect(stdout).toMatch(/\d+\.tokens +vectors +[\d.]+ kB +intact\n/)
  expect(stdout.match(/ intact\n/g)).toHaveLength(6)
})

test('verify names what is damaged and ends with 1; index mends it', async () => {
  flip(file('tokens'))
  const { code, stdout, stderr } = await run('verify')
  expect([code, stdout]).toEqual([1, expect.stringMatching(/tokens +vectors .* 1 damaged passage\n/)])
  expect(stderr).toMatch(/vectors of document ".+" is wrong/)
  expect(stderr).toMatch(/\.serotine has 1 problem\. Run "serotine index"/)
  expect((await run('index', 'library', '-q')).code).toBe(0)
  expect((await run('verify', '-q')).code).toBe(0)
})

test('verify --repair gives up what cannot be read, and says what to do', async () => {
  flip(file('tokens'))
  const { code, stdout, stderr } = await run('verify', '--repair', '--json')
  const report = JSON.parse(stdout) as { problems: unknown[]; incomplete: string[]; sections: unknown[] }
  expect([code, report.problems, report.incomplete.length, report.sections.length]).toEqual([0, [], 1, 6])
  expect(stderr).toMatch(/repaired\. 1 passage incomplete: run "serotine index"/)
  expect(JSON.parse((await run('index', 'library', '--json', '-q')).stdout)).toMatchObject({ updated: 1 })
})

test('verify of an index that cannot be opened names the section', async () => {
  flip(file('table'))
  const { code, stdout, stderr } = await run('verify', '.serotine')
  expect([code, stdout]).toEqual([1, expect.stringMatching(/table +table .* damaged\n/)])
  expect(stderr).toMatch(/checksum of the document table is wrong/)
  const repair = await run('verify', '--repair')
  expect([repair.code, repair.stderr]).toEqual([
    1,
    expect.stringMatching(/document table is wrong.*restore it or build/),
  ])
})

test('compact frees the space of removed passages', async () => {
  expect((await run('remove', 'library/birds', '-q')).code).toBe(0)
  const { code, stdout } = await run('compact', '--json', '-q')
  const { removed, freed, bytes } = JSON.parse(stdout) as Record<string, number>
  expect([code, removed]).toEqual([0, expect.any(Number)])
  expect(freed! + bytes!).toBeGreaterThan(0)
  expect((await run('compact')).stderr).toMatch(/\.serotine takes .* 0 bytes of 0 removed passages freed/)
  expect((await run('compact', 'nowhere')).code).toBe(1)
})
