import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { serotine, workFolder } from './run-cli.js'

const work = workFolder('library')
const run = (...args: string[]) => serotine(args, { cwd: work.path })
const asked = async (index: string): Promise<unknown> => {
  const { stdout } = await run('search', 'how is a proxy configured', '--json', '-k', '5', '--index', index)
  return (JSON.parse(stdout) as { hits: { id: string; score: number }[] }).hits.map(({ id, score }) => [
    id,
    score.toFixed(4),
  ])
}

beforeAll(async () => {
  await run('index', 'library', '-q')
})

describe('copy', () => {
  test('takes an index to another folder, with what it was made with, and repeated, what is new', async () => {
    const { code, stderr } = await run('copy', '.serotine', 'other')
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/other holds (\d+) passages of it: \1 copied\n.*vectors of \1\n/),
    ])
    expect(await asked('other')).toEqual(await asked('.serotine'))
    expect((await run('inspect', 'other', '--json')).stdout).toContain('"record"')
    await writeFile(join(work.path, 'library', 'new.md'), 'Something new about bats.')
    await run('index', 'library', '-q')
    expect(JSON.parse((await run('copy', '.serotine', 'other', '--json', '-q')).stdout)).toMatchObject({
      copied: 1,
      removed: 0,
      damaged: [],
    })
    await rm(join(work.path, 'library', 'new.md'))
    await run('index', 'library', '-q')
    expect((await run('copy', '.serotine', 'other')).stderr).toContain('1 there only (--prune removes them)')
    expect(JSON.parse((await run('copy', '.serotine', 'other', '--prune', '--json', '-q')).stdout)).toMatchObject({
      copied: 0,
      removed: 1,
    })
  })

  test('says what is not there, and makes nothing then', async () => {
    const { code, stderr } = await run('copy', 'nowhere', 'target')
    expect([code, stderr]).toEqual([1, expect.stringContaining('There is no index at nowhere')])
    expect((await run('search', 'bats', '--index', 'target')).stderr).toContain('There is no index at target')
  })
})

describe('an address', () => {
  test.each([
    ['search', 'bats', '--store'],
    ['serve', '--store'],
    ['inspect'],
    ['index', 'library', '--store'],
    ['copy', '.serotine'],
  ])('of an unknown kind is refused without its password (%s)', async (...args) => {
    const { code, stderr } = await run(...args, 'mysql://me:secret@localhost/app')
    expect(code).toBe(1)
    expect(stderr).toContain('mysql://me:***@localhost/app is an address of no known kind. There are postgres://,')
    expect(stderr).not.toContain('secret')
  })

  test('is not rebuilt', async () => {
    const { code, stderr } = await run('index', 'library', '--rebuild', '--store', 'postgres://me:secret@localhost/app')
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('postgres://me:***@localhost/app is in a database, and is not replaced by --rebuild.'),
    ])
  })
})

describe('an index in a database', () => {
  const at = 'pglite://database?collection=library'

  // A database is started for each command.
  test('is made, asked, looked at and copied like one in a folder', { timeout: 180_000 }, async () => {
    const made = await run('index', 'library', '--store', at, '--json', '-q')
    const { index, added, passages } = JSON.parse(made.stdout) as Record<string, unknown>
    expect([made.code, index, added]).toEqual([0, at, passages])
    expect(await asked(at)).toEqual(await asked('.serotine'))
    expect(JSON.parse((await run('copy', at, 'from-database', '--json', '-q')).stdout)).toMatchObject({
      copied: passages,
      compared: passages,
    })
    expect((await run('inspect', at)).stdout).toMatch(/on disk +[\d.]+ [kM]B: documents/)
  })
})
