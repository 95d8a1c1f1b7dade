import * as fc from '../../../support/fast-check.js'
import { expect, test } from 'vitest'
import { Bitset } from '../../../../packages/core/src/embedded/commit/bitset.js'

const changes = fc.array(fc.record({ add: fc.boolean(), at: fc.nat(200) }), { maxLength: 300 })

test('holds what a set holds', () => {
  fc.assert(
    fc.property(changes, fc.nat(100), (list, capacity) => {
      const bits = new Bitset(capacity)
      const set = new Set<number>()
      for (const { add, at } of list) {
        if (add) set.add(at)
        else set.delete(at)
        bits[add ? 'add' : 'delete'](at)
      }
      expect([...bits]).toEqual([...set].sort((a, b) => a - b))
      expect(bits.count()).toBe(set.size)
      for (let i = 0; i < 210; i++) expect(bits.has(i)).toBe(set.has(i))
      let end = 0
      while (set.has(end)) end++
      expect([bits.hasAllBelow(0), bits.hasAllBelow(end), bits.hasAllBelow(end + 1)]).toEqual([true, true, false])
    }),
  )
})

test('knows runs that end with a word', () => {
  for (const end of [31, 32, 33, 64, 65]) {
    const bits = new Bitset()
    for (let i = 0; i < end; i++) bits.add(i)
    expect([bits.hasAllBelow(end), bits.hasAllBelow(end + 1)]).toEqual([true, false])
    bits.delete(end - 1)
    expect([bits.hasAllBelow(end), bits.hasAllBelow(end - 1)]).toEqual([false, true])
  }
})

test('a copy goes its own way', () => {
  const bits = new Bitset()
  bits.add(3)
  const copy = bits.clone()
  bits.add(70)
  bits.delete(3)
  copy.add(5)
  expect([[...bits], [...copy]]).toEqual([[70], [3, 5]])
})
