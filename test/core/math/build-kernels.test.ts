import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
// @ts-expect-error a script, without types
import { TARGET, buildKernels } from '../../../scripts/build-kernels.mjs'

test('the compiled kernels are those of the source file', async () => {
  expect(await (buildKernels as () => Promise<string>)()).toBe(readFileSync(TARGET as URL, 'utf8'))
})
