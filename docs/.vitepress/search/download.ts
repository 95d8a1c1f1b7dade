import type { Contents } from './contents.js'

const gunzip = async (packed: Blob): Promise<Uint8Array> =>
  new Uint8Array(await new Response(packed.stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer())

/**
 * Loads all files but `passages.json`, unpacked.
 *
 * @param onBytes told of the bytes that have come so far
 */
export async function download(
  folder: string,
  { files, version }: Contents,
  onBytes: (loaded: number) => void,
): Promise<Record<string, Uint8Array>> {
  let loaded = 0
  const entries = await Promise.all(
    Object.keys(files).map(async (name) => {
      const response = await fetch(`${folder}${name}?${version}`)
      if (!response.ok || !response.body) throw new Error(`${name} cannot be loaded: ${response.status}.`)
      const counting = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          onBytes((loaded += chunk.byteLength))
          controller.enqueue(chunk)
        },
      })
      const packed = await new Response(response.body.pipeThrough(counting)).blob()
      return [name, await gunzip(packed)] as const
    }),
  )
  return Object.fromEntries(entries)
}
