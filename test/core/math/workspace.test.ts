import { expect, test } from 'vitest'
import { align16 } from '../../../packages/core/src/math/workspace.js'

test.each([
  [0, 0],
  [1, 16],
  [15, 16],
  [16, 16],
  [17, 32],
  [2 ** 31 - 16, 2 ** 31 - 16],
  [2 ** 31 - 15, 2 ** 31],
  [2 ** 32 - 1, 2 ** 32],
  [2 ** 40 + 5, 2 ** 40 + 16],
])('the section after %i bytes starts at %i', (bytes, start) => expect(align16(bytes)).toBe(start))
