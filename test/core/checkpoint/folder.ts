import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { ConfigOverrides } from '../../../packages/core/src/checkpoint/types.js'
import { encodeSafetensors, readSafetensors } from '../../../packages/core/src/checkpoint/safetensors.js'
import { goldenFolder } from '../runtime/golden.js'

const copies: string[] = []
process.once('exit', () => copies.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

/** A copy of a golden checkpoint that a test may damage; removed at the end of the process. */
export function copyOf(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `serotine-${name}-`))
  cpSync(`${goldenFolder(name)}/model`, folder, { recursive: true })
  copies.push(folder)
  return folder
}

export function readJsonFile(folder: string, file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>
}

export function readModuleList(folder: string): { idx: number; name: string; path: string; type: string }[] {
  return readJsonFile(folder, 'modules.json') as unknown as ReturnType<typeof readModuleList>
}

export function writeJson(folder: string, file: string, value: unknown): void {
  writeFileSync(join(folder, file), JSON.stringify(value))
}

/** Changes keys of a JSON file; undefined removes a key. */
export function editJson(folder: string, file: string, changes: Record<string, unknown>): void {
  writeJson(folder, file, { ...readJsonFile(folder, file), ...changes })
}

export interface PlainTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data: ArrayBufferView
}

/** Rewrites a safetensors file; `change` returns the tensors to keep. */
export function editTensors(
  file: string,
  change: (tensors: Record<string, PlainTensor>) => Record<string, PlainTensor>,
): void {
  const source = readSafetensors(file)
  const tensors = Object.fromEntries(
    source.names().map((name) => [name, { dtype: 'F32', shape: source.info(name).shape, data: source.f32(name) }]),
  )
  writeFileSync(file, encodeSafetensors(change(tensors)))
}

/** An object less one key. */
export function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key))
}

/** The checkpoint of a golden model, for reading only. */
export function model(name: string): string {
  return `${goldenFolder(name)}/model`
}

/** What reading a folder fails with; code `none` when it does not. */
export async function failure(folder: string, overrides?: ConfigOverrides): Promise<{ code: string; message: string }> {
  const error = (await readCheckpoint(folder, overrides).then(
    () => ({ code: 'none', message: '' }),
    (thrown: unknown) => thrown,
  )) as { code: string; message: string }
  return { code: error.code, message: error.message }
}
