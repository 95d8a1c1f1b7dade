import { createKernels } from './simd.js'
import type { Kernels } from './kernels.js'

/**
 * The one kernel memory shared by everything that scores or encodes on this thread. Its users take turns: whoever `claim`s it
 * owns all of it until the next claim, and is told whether its earlier contents are still there.
 *
 * One memory rather than one per user because an engine reserves gigabytes of address space for each.
 */
export class Workspace {
  #kernels: Kernels | undefined
  #owner: object | undefined

  constructor(kernels?: Kernels) {
    this.#kernels = kernels
  }

  /** Made on first use: importing the library compiles nothing. */
  get kernels(): Kernels {
    return (this.#kernels ??= createKernels())
  }

  /** Makes `owner` the user of the first `bytes` bytes. Returns false when another owner has written there since its last claim. */
  claim(owner: object, bytes: number): boolean {
    this.kernels.reserve(bytes)
    const kept = this.#owner === owner
    this.#owner = owner
    return kept
  }

  isOwner(owner: object): boolean {
    return this.#owner === owner
  }
}

/** The workspace of this thread. */
export const workspace = new Workspace()

/** The next multiple of 16: where a section of kernel memory may start. */
export function align16(bytes: number): number {
  // Not with bits: those are of 32-bit integers, and a file's offsets are larger.
  return Math.ceil(bytes / 16) * 16
}
