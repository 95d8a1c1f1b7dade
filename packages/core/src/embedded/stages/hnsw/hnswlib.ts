import { SerotineError } from '../../../errors.js'

/** The part of `hnswlib-node` that is used. Written out here, because its types are missing wherever the optional package is. */
export interface Hnswlib {
  readonly HierarchicalNSW: new (
    space: 'ip',
    dim: number,
  ) => {
    initIndex(capacity: number, m: number, efConstruction: number, seed: number): void
    resizeIndex(capacity: number): void
    addPoint(point: number[], label: number): void
    setEf(ef: number): void
    searchKnn(
      query: number[],
      k: number,
      filter?: (label: number) => boolean,
    ): { distances: number[]; neighbors: number[] }
    getCurrentCount(): number
    getMaxElements(): number
    readIndex(file: string): Promise<boolean>
    writeIndex(file: string): Promise<boolean>
  }
}

/** The module, or how to get it: for where a bundler hides the package. */
export type HnswlibSource = Hnswlib | (() => Hnswlib | Promise<Hnswlib>)

/** @throws HNSWLIB_MISSING */
export async function loadHnswlib(given?: HnswlibSource): Promise<Hnswlib> {
  try {
    if (given !== undefined) return typeof given === 'function' ? await given() : given
    const loaded = (await import('hnswlib-node')) as Hnswlib & { default?: Hnswlib }
    // A CommonJS package: bundlers and Node disagree on whether its names are also exported by name.
    return loaded.HierarchicalNSW ? loaded : loaded.default!
  } catch (cause) {
    throw new SerotineError(
      'HNSWLIB_MISSING',
      'hnswlib-node cannot be loaded. Run `npm install hnswlib-node` where a C++ compiler is available (with pnpm also ' +
        "`pnpm approve-builds`, or its binary is not built), or use firstStage: 'fde', which scans the FDEs exactly.",
      { cause },
    )
  }
}
