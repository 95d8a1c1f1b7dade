import { expect, test } from 'vitest'
import { STABLE_MS, Settling } from '../../../packages/cli/src/watch/settling.js'

const nothing = () => false
const at = (...files: [string, string][]) => new Map(files)

test('a file is due when it is the same in two looks, with the time between them', () => {
  const settling = new Settling()
  expect(settling.decide(at(['a', '1']), nothing, 0)).toEqual({ changed: [], gone: [], wait: STABLE_MS })
  expect(settling.decide(at(['a', '1']), nothing, 100)).toEqual({ changed: [], gone: [], wait: STABLE_MS - 100 })
  expect(settling.decide(at(['a', '2']), nothing, 300).wait).toBe(STABLE_MS)
  expect(settling.decide(at(['a', '2']), nothing, 300 + STABLE_MS - 1).changed).toEqual([])
  expect(settling.decide(at(['a', '2']), nothing, 300 + STABLE_MS)).toEqual({
    changed: ['a'],
    gone: [],
    wait: undefined,
  })
  // It is due until it was taken in.
  expect(settling.decide(at(['a', '2']), nothing, 5_000).changed).toEqual(['a'])
  settling.take('a', '2')
  expect(settling.decide(at(['a', '2']), nothing, 6_000)).toEqual({ changed: [], gone: [], wait: undefined })
  expect(settling.decide(at(['a', '1']), nothing, 6_000).wait).toBe(STABLE_MS)
})

test('a file that is gone for a moment, as editors replace them, is not gone', () => {
  const settling = new Settling()
  settling.take('a', '1')
  expect(settling.decide(at(), nothing, 0)).toEqual({ changed: [], gone: [], wait: STABLE_MS })
  expect(settling.decide(at(['a', '2']), nothing, 100).wait).toBe(STABLE_MS)
  expect(settling.decide(at(['a', '2']), nothing, 100 + STABLE_MS).changed).toEqual(['a'])
  settling.take('a', '2')
  settling.decide(at(), nothing, 1_000)
  expect(settling.decide(at(), nothing, 1_000 + STABLE_MS).gone).toEqual(['a'])
  settling.forget('a')
  expect(settling.decide(at(), nothing, 5_000)).toEqual({ changed: [], gone: [], wait: undefined })
})

test('what may be there though it was not found stays', () => {
  const settling = new Settling()
  settling.take('hidden/a', '1')
  settling.take('b', '1')
  const hidden = (key: string) => key.startsWith('hidden/')
  settling.decide(at(), hidden, 0)
  expect(settling.decide(at(), hidden, 10_000).gone).toEqual(['b'])
})

test('the first look takes in everything at once, and what an earlier run left is gone', () => {
  const settling = new Settling()
  for (const key of ['a', 'old']) settling.know(key)
  expect(settling.decide(at(['a', '1'], ['b', '1']), nothing, 0, true)).toEqual({
    changed: ['a', 'b'],
    gone: ['old'],
    wait: undefined,
  })
})

test('what could not be read is tried again at its time, or when it has changed', () => {
  const settling = new Settling()
  settling.take('a', '1', 1_000)
  expect(settling.decide(at(['a', '1']), nothing, 0)).toEqual({ changed: [], gone: [], wait: 1_000 })
  expect(settling.decide(at(['a', '1']), nothing, 1_000).changed).toEqual(['a'])
  settling.take('a', '1')
  expect(settling.decide(at(['a', '1']), nothing, 9_000)).toEqual({ changed: [], gone: [], wait: undefined })
})

test('a file that comes and goes without being taken in leaves nothing behind', () => {
  const settling = new Settling()
  settling.decide(at(['a', '1']), nothing, 0)
  expect(settling.decide(at(), nothing, 10)).toEqual({ changed: [], gone: [], wait: undefined })
  // Back with the same version: seen for the first time.
  expect(settling.decide(at(['a', '1']), nothing, 10_000).changed).toEqual([])
})
