import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { embeddedFolder } from '../../../packages/core/src/hub/embedded-model.js'

/** The package's module, and its model as the core resolves it. */
const MODULE = fileURLToPath(new URL('../../../packages/model-micro/index.js', import.meta.url))
const MODEL = fileURLToPath(new URL('../../../packages/model-micro/model', import.meta.url))
const NAMES = ['config.json', 'model.safetensors', '1_Dense/config.json', '1_Dense/model.safetensors']

let scratch: string
let before: string | undefined
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'serotine-embedded-'))
  before = process.env['TMPDIR']
})
afterEach(() => {
  vi.doUnmock(MODULE)
  vi.resetModules()
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  rmSync(scratch, { recursive: true })
})

it('the embedded model is the folder of its package', async () => {
  expect(await embeddedFolder()).toBe(MODEL)
})

it('the small model is the folder of its own package', async () => {
  expect(await embeddedFolder('small')).toBe(join(MODEL, '../../model-small/model'))
})

it('where a bundler left its files behind, it is found in the installed package', async () => {
  const gone = pathToFileURL(join(scratch, 'model/config.json'))
  vi.doMock(MODULE, () => ({ modelFiles: () => ({ 'config.json': gone }) }))
  expect(await embeddedFolder()).toBe(MODEL)
})

describe('where a bundler gave its files new names', () => {
  const rename = () => {
    mkdirSync(join(scratch, 'assets'))
    return Object.fromEntries(
      NAMES.map((name, i) => {
        const asset = join(scratch, 'assets', `asset.${i}`)
        copyFileSync(join(MODEL, name), asset)
        return [name, pathToFileURL(asset)]
      }),
    )
  }

  it.skipIf(process.platform === 'win32')('they are gathered in a folder for temporary files, once', async () => {
    const files = rename()
    vi.doMock(MODULE, () => ({ modelFiles: () => files }))
    process.env['TMPDIR'] = scratch
    const folder = await embeddedFolder()
    expect(folder.startsWith(scratch)).toBe(true)
    for (const name of NAMES)
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(MODEL, name)))).toBe(true)
    rmSync(join(folder, 'config.json'))
    expect(await embeddedFolder()).toBe(folder)
    expect(existsSync(join(folder, 'config.json'))).toBe(true)
    // No half copies are left.
    expect(readdirSync(join(folder, '..'))).toHaveLength(1)
    expect(existsSync(join(folder, 'tokenizer.json'))).toBe(false)
  })
})
