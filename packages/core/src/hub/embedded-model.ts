import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SerotineError } from '../errors.js'
import { hereUrl, installed, installedByUser, OUT_OF_THE_BUNDLE } from '../shipped.js'
import { temporaryFolder } from './temporary-folder.js'

/** Models in packages of their own, by the names they are loaded by. The first comes with this package. */
export const EMBEDDED_MODELS = { micro: '@serotine/model-micro', small: '@serotine/model-small' } as const
export type EmbeddedName = keyof typeof EMBEDDED_MODELS

/** The embedded model that a name or its package means; undefined = it means something else. */
export function embeddedName(name: string): EmbeddedName | undefined {
  const names = Object.keys(EMBEDDED_MODELS) as EmbeddedName[]
  return names.find((short) => name === short || name === EMBEDDED_MODELS[short])
}

interface ModelFile {
  /** Inside the model's folder. */
  readonly name: string
  readonly path: string
}

/**
 * The folder of an embedded model. Its package names each file for tracers and bundlers. Those that rename files (Next.js,
 * webpack) leave no folder to read: then the files are copied, once, to a folder of this user's for temporary files.
 *
 * @throws MODEL_FILES_MISSING saying whether the package is not installed or a bundler left its files behind
 */
export async function embeddedFolder(model: EmbeddedName = 'micro'): Promise<string> {
  let cause: unknown
  try {
    const files = await namedFiles(model)
    if (files.every(({ path }) => existsSync(path))) {
      const folder = dirname(files[0]!.path)
      return files.every(({ name, path }) => path === join(folder, name)) ? folder : await gathered(files, model)
    }
  } catch (error) {
    cause = error
  }
  const manifest = `${EMBEDDED_MODELS[model]}/package.json`
  const places = [
    () => join(dirname(installed(manifest)), 'model'),
    () => join(dirname(installedByUser(manifest)), 'model'),
    () => fileURLToPath(new URL(BESIDE[model], hereUrl())),
  ]
  for (const place of places) {
    try {
      const folder = place()
      if (existsSync(join(folder, 'model.safetensors'))) return folder
    } catch (error) {
      cause ??= error
    }
  }
  throw new SerotineError('MODEL_FILES_MISSING', missing(model), cause === undefined ? {} : { cause })
}

/** Where a bundle expects the files that a bundler has left behind. */
const BESIDE: Record<EmbeddedName, string> = { micro: './model', small: './model-small' }

function missing(model: EmbeddedName): string {
  const name = EMBEDDED_MODELS[model]
  const what =
    model === 'micro'
      ? `The embedded model cannot be found. Install it ("npm install ${name}"), or name another model.`
      : `The model "${model}" is not installed. Install it ("npm install ${name}"), or name another; a folder of that name ` +
        `is "./${model}".`
  return (
    `${what} Where a bundler left it behind, copy the folder node_modules/${name}/model next to ` +
    `${hereUrl() ?? 'the program'}${model === 'micro' ? '' : ` as ${basename(BESIDE[model])}`}, or ${OUT_OF_THE_BUNDLE}.`
  )
}

async function namedFiles(model: EmbeddedName): Promise<ModelFile[]> {
  const { modelFiles } = model === 'micro' ? await import('@serotine/model-micro') : await smallPackage()
  return Object.entries(modelFiles()).map(([name, url]) => ({ name, path: fileURLToPath(url) }))
}

/** Its specifier is spelt out, since bundlers and file tracers follow nothing else, inside `try`, where they take it for optional. */
async function smallPackage(): Promise<{ modelFiles(): Readonly<Record<string, URL>> }> {
  try {
    return await import('@serotine/model-small')
  } catch (cause) {
    throw new Error('@serotine/model-small cannot be imported.', { cause })
  }
}

/**
 * Copies renamed files to where they are read from by name. The folder is named after what they are, and appears whole;
 * what a cleaner of temporary files took from it is copied again.
 */
async function gathered(files: readonly ModelFile[], model: EmbeddedName): Promise<string> {
  const parent = join(await temporaryFolder(), basename(EMBEDDED_MODELS[model]))
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
