import { mkdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SerotineError } from '../errors.js'

/** A folder for temporary files that nobody else can write to. @throws DOWNLOAD_FAILED when it is somebody else's */
export async function temporaryFolder(): Promise<string> {
  // Windows has no user ids, and a temporary folder for each user.
  const uid = process.getuid?.()
  const folder = join(tmpdir(), uid === undefined ? 'serotine' : `serotine-${uid}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await stat(folder)
  if (uid !== undefined && (found.uid !== uid || (found.mode & 0o022) !== 0)) {
    throw new SerotineError('DOWNLOAD_FAILED', `${folder} belongs to somebody else. Remove it, or set TMPDIR.`)
  }
  return folder
}
