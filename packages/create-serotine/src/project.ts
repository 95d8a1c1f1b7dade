import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure, reasonOf } from './failure.js'
import { manifestOf } from './templates.js'
import type { Template } from './templates.js'

/** What may be in a folder that counts as empty: somebody ran `git init` first, or looked at it on a Mac. */
const HARMLESS = new Set(['.git', '.DS_Store'])

/** @throws Failure for a folder in which something would be overwritten, or that is a file */
export async function checkFolder(folder: string): Promise<void> {
  const stats = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Failure(`${folder} cannot be looked at: ${error.message}. Choose another folder.`, { cause: error })
  })
  if (stats === undefined) return
  if (!stats.isDirectory()) throw new Failure(`${folder} is a file. Choose another name for the folder.`)
  const found = (await readdir(folder)).filter((name) => !HARMLESS.has(name))
  if (found.length === 0) return
  const shown = found.slice(0, 3).join(', ')
  throw new Failure(
    `${folder} is not empty: it has ${shown}${found.length > 3 ? ` and ${found.length - 3} more` : ''}. Choose another folder, or empty this one.`,
  )
}

/** A name that npm takes, made of that of the folder. */
export function packageName(folder: string): string {
  const name = basename(resolve(folder))
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9._~-]+/g, '-')
    .replace(/^[._~-]+|[~-]+$/g, '')
    .slice(0, 214)
  return name === '' || name === 'node_modules' ? 'serotine-app' : name
}

/**
 * Writes a template into a folder, which is made where it is not there. When something fails, what was written is taken away again.
 *
 * @param version of this package: those of Serotine are released together, so it is theirs
 * @throws Failure
 */
export async function writeProject(template: Template, folder: string, version: string): Promise<void> {
  await checkFolder(folder)
  // The first folder that is made, or undefined where all of them were there.
  let made: string | undefined
  const written: string[] = []
  try {
    made = await mkdir(folder, { recursive: true })
    for (const [path, content] of Object.entries(template.files)) {
      const file = join(folder, path)
      await mkdir(dirname(file), { recursive: true })
      const bytes = typeof content === 'string' ? content : Buffer.from(content.base64, 'base64')
      const own = path === 'package.json' ? ownManifest(template, folder, version) : bytes
      // Nobody else's file is overwritten, even one that appeared in the meantime.
      await writeFile(file, own, { flag: 'wx' })
      written.push(path.split('/')[0]!)
    }
  } catch (error) {
    if (made !== undefined) await rm(made, { recursive: true, force: true })
    else for (const name of new Set(written)) await rm(join(folder, name), { recursive: true, force: true })
    throw new Failure(`${folder} cannot be written: ${reasonOf(error)}. Nothing was left there.`, { cause: error })
  }
}

function ownManifest(template: Template, folder: string, version: string): string {
  const { license: _, ...manifest } = manifestOf(template)
  const released = (dependencies: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(dependencies).map(([name, range]) => [
        name,
        /^(@serotine\/.+|serotine)$/.test(name) ? `^${version}` : range,
      ]),
    )
  const own = {
    ...manifest,
    name: packageName(folder),
    version: '0.1.0',
    dependencies: released(manifest.dependencies),
    ...(manifest.devDependencies && { devDependencies: released(manifest.devDependencies) }),
  }
  return `${JSON.stringify(own, undefined, 2)}\n`
}
