import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SerotineError } from '../errors.js'
import { hereUrl, installed, OUT_OF_THE_BUNDLE } from '../shipped.js'
import { temporaryFolder } from './temporary-folder.js'

export const EMBEDDED = '@serotine/model-micro'

interface ModelFile {
  /** Inside the model's folder. */
  readonly name: string
  readonly path: string
}

/**
 * The folder of the embedded model. Its package names each file for tracers and bundlers. Those that rename files (Next.js,
 * webpack) leave no folder to read: then the files are copied, once, to a folder of this user's for temporary files.
 *
 * @throws MODEL_FILES_MISSING saying whether the package is not installed or a bundler left its files behind
 */
export async function embeddedFolder(): Promise<string> {
  let cause: unknown
  try {
    const files = await namedFiles()
    if (files.every(({ path }) => existsSync(path))) {
      const folder = dirname(files[0]!.path)
      return files.every(({ name, path }) => path === join(folder, name)) ? folder : await gathered(files)
    }
  } catch (error) {
    cause = error
  }
  const places = [
    () => join(dirname(installed(`${EMBEDDED}/package.json`)), 'model'),
    () => fileURLToPath(new URL('./model', hereUrl())),
  ]
  for (const place of places) {
    try {
      const folder = place()
      if (existsSync(join(folder, 'model.safetensors'))) return folder
    } catch (error) {
      cause ??= error
    }
  }
  throw new SerotineError(
    'MODEL_FILES_MISSING',
    `The embedded model cannot be found. Install it ("npm install ${EMBEDDED}"), or name another model. Where a bundler ` +
      `left it behind, copy the folder node_modules/${EMBEDDED}/model next to ${hereUrl() ?? 'the program'}, or ` +
      `${OUT_OF_THE_BUNDLE}.`,
    cause === undefined ? {} : { cause },
  )
}

async function namedFiles(): Promise<ModelFile[]> {
  const { modelFiles } = await import('@serotine/model-micro')
  return Object.entries(modelFiles()).map(([name, url]) => ({ name, path: fileURLToPath(url) }))
}

/**
 * Copies renamed files to where they are read from by name. The folder is named after what they are, and appears whole;
 * what a cleaner of temporary files took from it is copied again.
 */
async function gathered(files: readonly ModelFile[]): Promise<string> {
  const parent = join(await temporaryFolder(), 'model-micro')
  const key = createHash('sha256')
  for (const { path } of files) {
    const { size, mtimeMs } = await stat(path)
    key.update(`${path} ${size} ${mtimeMs}\n`)
  }
  const folder = join(parent, key.digest('hex').slice(0, 16))
  const isWhole = (): boolean => files.every(({ name }) => existsSync(join(folder, name)))
  if (isWhole()) return folder
  await mkdir(parent, { recursive: true })
  const half = await mkdtemp(`${folder}.`)
  try {
    for (const { name, path } of files) {
      await mkdir(dirname(join(half, name)), { recursive: true })
      await copyFile(path, join(half, name))
    }
    if (!isWhole()) await rm(folder, { recursive: true, force: true })
    await rename(half, folder)
  } catch (error) {
    await rm(half, { recursive: true, force: true })
    // Somebody else may have been faster.
    if (!isWhole()) throw error
  }
  return folder
}
