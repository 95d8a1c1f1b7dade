import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ColBERTConfig, Tensors } from './types.js'

/** Hashes of weight files by path, size and time of change, so that a second load does not read them again. */
const hashes = new Map<string, Promise<string>>()

/**
 * sha256 over all that decides which vectors a text gets: the configuration with its overrides, the weight and
 * tokenizer files, weights given by the caller. Paths are left out: the same model in two folders has one fingerprint.
 */
export async function fingerprint(
  config: ColBERTConfig,
  files: readonly string[],
  inMemory: readonly Tensors[],
): Promise<string> {
  const { layout: _layout, encoder, ...rest } = config
  const digest = createHash('sha256')
  const settings = { format: 1, ...rest, encoder: encoder.modelType === 'onnx' ? 'onnx' : encoder }
  digest.update(canonicalJson(settings))
  for (const file of files) digest.update(await hashFile(file))
  for (const tensors of inMemory) {
    for (const name of tensors.names()) {
      const { buffer, byteOffset, byteLength } = tensors.f32(name)
      digest.update(name).update(new Uint8Array(buffer, byteOffset, byteLength))
    }
  }
  return digest.digest('hex')
}

async function hashFile(file: string): Promise<string> {
  const real = await realpath(file)
  // The Hub cache names a large file by its sha256: blobs/<64 hex digits>.
  if (basename(dirname(real)) === 'blobs' && /^[0-9a-f]{64}$/.test(basename(real))) return basename(real)
  const { size, mtimeMs, ino } = await stat(real)
  const key = `${real}:${size}:${mtimeMs}:${ino}`
  const known = hashes.get(key)
  if (known) return known
  const hash = createHash('sha256')
  const pending = pipeline(createReadStream(real, { highWaterMark: 1 << 20 }), hash).then(() => hash.digest('hex'))
  hashes.set(key, pending)
  pending.catch(() => hashes.delete(key))
  return pending
}

/** JSON with sorted keys. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, found: unknown) =>
    typeof found === 'object' && found !== null && !Array.isArray(found)
      ? Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
      : found,
  )
}
