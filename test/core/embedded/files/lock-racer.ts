// A process of its own: takes the lock of a folder when it is told, and says what came of it.
import { lockFolder } from '../../../../packages/core/src/embedded/files/lock.js'
import type { FolderLock } from '../../../../packages/core/src/embedded/files/lock.js'

export type Order = { readonly folder: string; readonly at: number } | 'release'

let lock: FolderLock | undefined
const answer = (text: string) => void process.send!(text)

process.on('message', (order: Order) => {
  if (order !== 'release') return void take(order.folder, order.at)
  try {
    lock?.check()
    lock?.release()
    answer('released')
  } catch (error) {
    answer(String(error))
  }
  lock = undefined
})

async function take(folder: string, at: number): Promise<void> {
  while (Date.now() < at);
  try {
    lock = await lockFolder(folder)
    answer('won')
  } catch (error) {
    answer((error as { code?: string }).code ?? String(error))
  }
}
