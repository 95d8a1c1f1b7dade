// Node 20 refuses to read or write 2 GiB or more with one call, and Linux moves less than asked for.
import { beforeEach, expect, test, vi } from 'vitest'
import { checksum, FileLog } from '../../../../packages/core/src/embedded/files/byte-log.js'

const { calls } = vi.hoisted(() => ({ calls: [] as (readonly [string, number, number, number])[] }))
const LARGEST = 2 ** 31 - 1
function recorded(call: string) {
  return (_fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number => {
    if (length > LARGEST) throw new RangeError(`length is out of range: ${length}`)
    expect(offset + length).toBeLessThanOrEqual(bytes.length)
    calls.push([call, offset, length, position])
    return Math.min(length, 0x7ffff000)
  }
}
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  readSync: recorded('read'),
  writeSync: recorded('write'),
}))
vi.mock('node:zlib', async (original) => ({
  ...(await original<typeof import('node:zlib')>()),
  // Tells how many bytes it was given, and in how many pieces.
  crc32: (bytes: Uint8Array, before: number) => {
    calls.push(['crc32', bytes.byteOffset, bytes.length, before])
    return before + 1
  },
}))

beforeEach(() => void calls.splice(0))
// Never written to, so that it takes up no memory.
const bytes = new Uint8Array(2 ** 31 + 100)

test.each(['read', 'write'] as const)('%s of more than 2 GiB is made in pieces that follow each other', (call) => {
  const log = new FileLog('000001.tokens', 0, 500)
  if (call === 'read') log.read(bytes, 500)
  else log.append(bytes)
  expect(log.length).toBe(call === 'read' ? 500 : 500 + bytes.length)
  let done = 0
  for (const [name, offset, length, position] of calls) {
    expect([name, offset, position]).toEqual([call, done, 500 + done])
    done += length
  }
  expect(done).toBe(bytes.length)
})

test('a checksum of more than 2 GiB is made in pieces', () => {
  expect(checksum(bytes, 7)).toBe(7 + calls.length)
  let done = 0
  for (const [i, [, offset, length, before]] of calls.entries()) {
    expect([offset, before]).toEqual([done, 7 + i])
    expect(length).toBeLessThanOrEqual(LARGEST)
    done += length
  }
  expect(done).toBe(bytes.length)
})
