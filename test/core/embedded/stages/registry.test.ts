// A new first stage is a folder and a line in the registry: nothing else may know which stages there are.
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { importsOf, sourcesBelow, targetOf } from '../../../support/imports.js'
import { StagedIndex } from '../../../support/staged-index.js'

const core = fileURLToPath(new URL('../../../../packages/core/src', import.meta.url))
const stages = join(core, 'embedded/stages')
const name = (path: string) => relative(core, path).replaceAll('\\', '/')
const folderOf = (path: string) => /^embedded\/stages\/([^/]+)\//.exec(name(path))?.[1]

/** Imports of what is in a stage's folder, from outside of it. */
const fromOutside = sourcesBelow(core)
  .flatMap(importsOf)
  .flatMap((one) => {
    const target = targetOf(one)
    const folder = target && folderOf(target)
    return folder && folder !== folderOf(one.from) ? [{ ...one, folder, target }] : []
  })
const folders = [...new Set(sourcesBelow(stages).flatMap((path) => folderOf(path) ?? []))].sort()

describe('the registry', () => {
  test('imports one file of each stage', () => {
    const imported = fromOutside.filter(({ from }) => name(from) === 'embedded/stages/registry.ts')
    expect(imported.map(({ folder }) => folder).sort()).toEqual(folders)
  })

  test('is alone to do so, but for a stage that looks through what another keeps, and the type of an option', () => {
    const others = fromOutside.filter(({ from }) => name(from) !== 'embedded/stages/registry.ts')
    expect(
      [...new Set(others.map(({ from, folder }) => `${folderOf(from) ?? name(from)} → ${folder}`))].sort(),
    ).toEqual(['embedded/options.ts → hnsw', 'hnsw → fde'])
    expect(others.filter(({ from, typeOnly }) => name(from) === 'embedded/options.ts' && !typeOnly)).toEqual([])
  })

  test('makes each stage under its own name, one that uses another after it', async () => {
    const index = await StagedIndex.open()
    const names = [...index.stages.keys()]
    expect(names.toSorted()).toEqual(folders)
    for (const [key, stage] of index.stages) expect(stage.name).toBe(key)
    expect(names.indexOf('hnsw')).toBeGreaterThan(names.indexOf('fde'))
  })
})

test('files, commits and statistics treat what stages keep alike: they name none of them', () => {
  const alike = [
    ...sourcesBelow(join(core, 'embedded/files')),
    ...sourcesBelow(join(core, 'embedded/commit')),
    // Not manifest.ts: what FDEs were asked for is a fact of the collection.
    ...['manifest-file.ts', 'segment.ts', 'document-table.ts', 'checked.ts'].map((file) =>
      join(core, 'embedded/format', file),
    ),
    ...['stats.ts', 'reader.ts'].map((file) => join(core, 'embedded', file)),
    ...['coded-stage.ts', 'stage.ts', 'upkeep.ts', 'sample.ts'].map((file) => join(stages, file)),
  ]
  const naming = alike.filter((path) => {
    const code = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    return folders.some((folder) => new RegExp(`['"\`]${folder}['"\`]|derived\\.${folder}\\b`).test(code))
  })
  expect(naming.map(name)).toEqual([])
})
