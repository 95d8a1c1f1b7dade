import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { ColBERT } from '../../../packages/core/src/colbert.js'

const stanford = fileURLToPath(new URL('../../golden/pylate/stanford-tiny/model', import.meta.url))

it('reads a stanford checkpoint that has vocab.txt and no tokenizer.json', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'serotine-vocab-'))
  await cp(stanford, folder, { recursive: true })
  await rm(join(folder, 'tokenizer.json'))
  const whole = await ColBERT.load(stanford)
  const bare = await ColBERT.load(folder)
  const text = 'Kiwis, naïve birds of New Zealand!'
  expect(bare.documentInput(text)).toEqual(whole.documentInput(text))
  expect(await bare.encodeDocuments([text])).toEqual(await whole.encodeDocuments([text]))
  await Promise.all([whole.close(), bare.close(), rm(folder, { recursive: true })])
})
