import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SerotineError } from '../errors.js'
import { installed, OUT_OF_THE_BUNDLE } from '../shipped.js'

export const EMBEDDED = '@serotine/model-micro'

/**
 * The folder of the embedded model. Its package names each file for tracers and bundlers; one that left or renamed them
 * is passed by, as long as the package is installed where the program runs.
 *
 * @throws MODEL_FILES_MISSING saying whether the package is not installed or a bundler left its files behind
 */
export async function embeddedFolder(): Promise<string> {
  let cause: unknown
  let moved: string | undefined
  try {
    const { modelFiles } = await import('@serotine/model-micro')
    const files = Object.entries(modelFiles()).map(([name, url]) => ({ name, path: fileURLToPath(url) }))
    const folder = dirname(files[0]!.path)
    if (files.every(({ name, path }) => path === join(folder, name) && existsSync(path))) return folder
    moved = folder
  } catch (error) {
    cause = error
  }
  try {
    const folder = join(dirname(installed(`${EMBEDDED}/package.json`)), 'model')
    if (existsSync(folder)) return folder
  } catch (error) {
    cause ??= error
  }
  const message =
    moved === undefined
      ? `The embedded model cannot be found: "npm install ${EMBEDDED}", or name a model. If it is installed, ${OUT_OF_THE_BUNDLE}.`
      : `The files of the embedded model are not in ${moved}: a bundler has left them behind. Copy the folder ` +
        `node_modules/${EMBEDDED}/model there, or ${OUT_OF_THE_BUNDLE}.`
  throw new SerotineError('MODEL_FILES_MISSING', message, cause === undefined ? {} : { cause })
}
