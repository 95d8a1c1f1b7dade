import { ScalarKernels } from './kernels.js'
import type { Kernels } from './kernels.js'
import { SIMD_BYTES } from './simd-bytes.js'

type Exports = Omit<Kernels, 'simd' | 'buffer' | 'reserve'> & {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
}

/** The part of the engine's global that is used; TypeScript has it only with browser types. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { exports: unknown }
}

const PAGE = 65536
/** One page less than wasm's 4 GiB, so that no offset wraps. */
const MAX_BYTES = 65535 * PAGE

let compiled: object | null | undefined

/** The SIMD module, compiled once; null where the engine has no WebAssembly SIMD or forbids compiling from bytes. */
function simdModule(): object | null {
  if (compiled !== undefined) return compiled
  try {
    const bytes = Uint8Array.from(atob(SIMD_BYTES), (character) => character.charCodeAt(0))
    compiled = WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null
  } catch {
    compiled = null
  }
  return compiled
}

/** True when kernels run as WebAssembly SIMD here. */
export function hasSimd(): boolean {
  return simdModule() !== null
}

/**
 * Kernels in a memory of their own: WebAssembly SIMD where the engine has it, plain TypeScript elsewhere. Results are the same.
 *
 * @param options.simd false forces plain TypeScript; true is the default where it is available
 */
export function createKernels(options: { simd?: boolean } = {}): Kernels {
  const module = options.simd === false ? null : simdModule()
  if (!module) return new ScalarKernels()
  const { memory, ...kernels } = new WebAssembly.Instance(module).exports as Exports
  return {
    ...kernels,
    simd: true,
    get buffer() {
      return memory.buffer
    },
    reserve(bytes: number) {
      const now = memory.buffer.byteLength
      if (bytes <= now) return
      if (bytes > MAX_BYTES)
        throw new RangeError(`${bytes} bytes of kernel memory were requested; WebAssembly allows at most ${MAX_BYTES}.`)
      // Half as much again, so that a growing table does not grow page by page.
      memory.grow(Math.ceil(Math.min(Math.max(bytes, now * 1.5), MAX_BYTES) / PAGE) - now / PAGE)
    },
  }
}
