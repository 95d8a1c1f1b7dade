import { expect, it } from 'vitest'
import { readSentFile } from '../../../packages/cli/src/index.js'

const bytesOf = (text: string) => Buffer.from(text)

it('makes the passages of a file that was sent, by the ending of its name', async () => {
  const text = '# Kiwis\n\nA kiwi is a bird that cannot fly.\n'
  const [passage] = await readSentFile({ name: 'birds.md', source: 'sent/birds.md', bytes: bytesOf(text) })
  expect(passage).toMatchObject({
    id: 'sent/birds.md#1',
    metadata: { source: 'sent/birds.md', heading: 'Kiwis', title: 'Kiwis', line: 1, lineEnd: 3 },
  })
  const [plain] = await readSentFile({ name: 'birds', source: 'birds', bytes: bytesOf(text) })
  expect(plain!.metadata).not.toHaveProperty('heading')
})

it('never looks a name up, and refuses what is not text', async () => {
  const [passage] = await readSentFile({ name: '../../etc/passwd', source: 'x', bytes: bytesOf('Not that file.') })
  expect(passage!.text).toBe('Not that file.')
  await expect(readSentFile({ name: 'a.txt', source: 'a', bytes: Buffer.from([0, 1, 2, 0]) })).rejects.toMatchObject({
    code: 'INPUT_FORMAT',
    message: expect.stringContaining('a.txt is binary'),
  })
  await expect(readSentFile({ name: 'a.txt.gz', source: 'a', bytes: bytesOf('a') })).rejects.toThrow('compressed')
})
