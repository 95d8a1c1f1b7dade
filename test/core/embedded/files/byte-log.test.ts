import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { checksum } from '../../../../packages/core/src/embedded/files/byte-log.js'
import { fileStorage, memoryStorage } from '../../../../packages/core/src/embedded/files/folder.js'
import { numbers } from '../../../support/staged-index.js'

const folder = mkdtempSync(join(tmpdir(), 'serotine-logs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const bytes = (from: number, to: number) => Uint8Array.from(numbers(from, to))

describe.each([
  ['in memory', () => memoryStorage()],
  ['in a folder', () => fileStorage(folder, false)],
])('a log %s', (_, storageOf) => {
  test('keeps what was appended, and forgets what was cut off', async () => {
    const storage = storageOf()
    const log = storage.create('000001.tokens')
    const read = (offset: number, length: number) => {
      const target = new Uint8Array(length)
      log.read(target, offset)
      return target
    }
    log.append(bytes(0, 100))
    log.append(new Uint8Array(0))
    for (let i = 0; i < 50; i++) log.append(bytes(100, 250))
    expect(log.length).toBe(7600)
    await log.sync()
    expect([read(0, 100), read(99, 3), read(7599, 1), read(7600, 0)]).toEqual([
      bytes(0, 100),
      bytes(99, 102),
      bytes(249, 250),
      bytes(0, 0),
    ])
    expect(() => read(7599, 2)).toThrow(/000001.tokens ends after 7600 bytes where 7601 are committed/)
    log.truncate(10)
    expect(() => read(9, 2)).toThrow(/INDEX_CORRUPT|ends after 10 bytes/)
    log.append(bytes(200, 202))
    expect([log.length, read(8, 4)]).toEqual([12, Uint8Array.of(8, 9, 200, 201)])
    const again = storage.open('000001.tokens', 12)
    const target = new Uint8Array(12)
    again.read(target, 0)
    expect(target.subarray(8)).toEqual(Uint8Array.of(8, 9, 200, 201))
    for (const each of [log, again]) each.close()
    log.close()
    storage.remove('000001.tokens')
    storage.remove('000001.tokens')
    expect(storage.create('000001.tokens').length).toBe(0)
  })
})

describe('a log in a folder', () => {
  const path = join(folder, '000002.codes')

  test('ends where the manifest says; what follows is cut off by a writer when it is told to, or before it appends', () => {
    for (const readonly of [true, false]) {
      writeFileSync(path, bytes(0, 20))
      const log = fileStorage(folder, readonly).open('000002.codes', 15)
      expect([log.length, statSync(path).size]).toEqual([15, 20])
      log.trim()
      log.close()
      expect(statSync(path).size).toBe(readonly ? 20 : 15)
    }
    writeFileSync(path, bytes(0, 20))
    const log = fileStorage(folder, false).open('000002.codes', 15)
    log.append(bytes(50, 52))
    log.truncate(15)
    log.close()
    expect(readFileSync(path)).toEqual(Buffer.from(bytes(0, 15)))
  })

  test('names its file in what the system says', async () => {
    writeFileSync(path, bytes(0, 15))
    const log = fileStorage(folder, true).open('000002.codes', 15)
    const named = { code: 'EBADF', path, message: expect.stringContaining(path) as string }
    expect(() => log.append(bytes(0, 1))).toThrow(expect.objectContaining(named) as Error)
    log.close()
  })

  test('that is short or missing is damage, and a closed one says so', () => {
    const storage = fileStorage(folder, false)
    expect(() => storage.open('000002.codes', 16)).toThrow(/ends after 15 bytes where 16 are committed/)
    expect(() => storage.open('000003.codes', 0)).toThrow(/000003.codes is missing/)
    const log = storage.open('000002.codes', 15)
    log.close()
    expect(() => log.read(new Uint8Array(1), 0)).toThrow(/was read after the index was closed/)
  })
})

test('a checksum of pieces is that of the whole, also of no bytes', () => {
  const whole = crc32(bytes(0, 200))
  for (const cut of [0, 1, 100, 200]) {
    expect(checksum(bytes(cut, 200), checksum(bytes(0, cut)))).toBe(whole)
  }
  expect(checksum(new Uint8Array(0), 1234)).toBe(1234)
})
