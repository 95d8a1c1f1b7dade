// Run in a process of its own: puts documents into the index in argv[2] until it is killed, and says when a batch is committed.
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

const index = await MultiVectorIndex.open(process.argv[2], {
  fde: { partitioning: 'hyperplanes' },
  model: new FakeEncoder(),
})
process.send?.('open')
if (process.argv[3] === 'hold') setInterval(() => {}, 1000)
else {
  for (let batch = 0; ; batch++) {
    const next = random(batch)
    // Even batches replace what the batch before put in.
    const start = Math.floor(batch / 2) * 20
    await index.upsert(
      Array.from({ length: 20 }, (_, i) => ({
        id: `d${start + i}`,
        text: `batch${batch} ${randomText(next, 30)}`,
        metadata: { batch },
      })),
    )
    if (batch % 7 === 6) await index.delete([`d${start}`])
    if (batch % 11 === 10) await index.compact()
    process.send?.(batch)
  }
}
