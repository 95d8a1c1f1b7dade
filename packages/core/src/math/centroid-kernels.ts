import { ScalarResidualKernels } from './residual-kernels.js'
import type { ResidualKernels } from './residual-kernels.js'

/** The arithmetic of the centroid codebook; see `Kernels`, of which it is a part. */
export interface CentroidKernels extends ResidualKernels {
  /**
   * out[token × 16·blocks + lane] = (int8 token · i16 centroid) · scales[token] · packedScales[lane]. Centroids packed by
   * `packInt16`; tokens `[tokens × dim]`.
   *
   * @param scratch i16 `[tokens × padded]`, padded = dim rounded up to 8
   */
  similaritiesInt8(
    codes: number,
    scales: number,
    tokens: number,
    dim: number,
    packed: number,
    packedScales: number,
    blocks: number,
    scratch: number,
    out: number,
  ): void
  /**
   * out[token] (u16) = the centroid most similar to each int8 token: among those of the `probes` cells whose coarse centroid is
   * most similar. Cell c holds the blocks of 16 fine centroids from cellBlocks[c] to cellBlocks[c + 1] (i32 `[cells + 1]`). Of
   * equals the lowest lane wins, in a lane the block seen first.
   *
   * @param scratch i16 `[padded]`, then f32 `[48]`, then f32 `[cells rounded up to 16]`
   */
  nearestInt8(
    codes: number,
    tokens: number,
    dim: number,
    coarse: number,
    coarseScales: number,
    cells: number,
    fine: number,
    fineScales: number,
    cellBlocks: number,
    probes: number,
    scratch: number,
    out: number,
  ): void
  /**
   * Turns similarities f32 `[tokens × centroids]` into u8 levels `[centroids × lanes]`, lanes ≥ tokens, the rest 0: level =
   * (similarity − lows[token]) ÷ step, to nearest even. `centroids` is a multiple of 4. Writes `lows`, returns `step`.
   */
  scoreTable(similarities: number, tokens: number, centroids: number, lanes: number, lows: number, out: number): number
  /**
   * out[document] (i32) = Σ over lanes of the highest level among the document's codes (u16); its codes are those from
   * starts[document] to starts[document + 1] (i32). `lanes` is a multiple of 16.
   */
  scanCodes(table: number, lanes: number, codes: number, starts: number, documents: number, out: number): void
}

const round = Math.fround

/** The plain TypeScript implementation. */
export abstract class ScalarCentroidKernels extends ScalarResidualKernels implements CentroidKernels {
  similaritiesInt8(
    codes: number,
    scales: number,
    tokens: number,
    dim: number,
    packed: number,
    packedScales: number,
    blocks: number,
    _scratch: number,
    out: number,
  ): void {
    const f = new Float32Array(this.buffer)
    for (let token = 0; token < tokens; token++) {
      const scale = f[(scales >> 2) + token]!
      for (let block = 0; block < blocks; block++, out += 64) {
        this.#block(codes + token * dim, dim, packed, block, scale, packedScales, f.subarray(out >> 2, (out >> 2) + 16))
      }
    }
  }

  nearestInt8(
    codes: number,
    tokens: number,
    dim: number,
    coarse: number,
    coarseScales: number,
    cells: number,
    fine: number,
    fineScales: number,
    cellBlocks: number,
    probes: number,
    _scratch: number,
    out: number,
  ): void {
    const blocksOfCells = new Int32Array(this.buffer, cellBlocks, cells + 1)
    const found = new Uint16Array(this.buffer, out, tokens)
    const near = new Float32Array(((cells + 15) >> 4) * 16)
    const here = new Float32Array(16)
    const best = new Float32Array(16)
    const index = new Int32Array(16)
    for (let token = 0; token < tokens; token++) {
      const row = codes + token * dim
      for (let block = 0; block < near.length >> 4; block++) {
        this.#block(row, dim, coarse, block, 1, coarseScales, near.subarray(block * 16, block * 16 + 16))
      }
      best.fill(-Infinity)
      index.fill(0)
      for (let probe = 0; probe < probes; probe++) {
        let cell = 0
        let most = -Infinity
        for (let i = 0; i < cells; i++) if (near[i]! > most) [most, cell] = [near[i]!, i]
        near[cell] = -Infinity
        for (let block = blocksOfCells[cell]!; block < blocksOfCells[cell + 1]!; block++) {
          this.#block(row, dim, fine, block, 1, fineScales, here)
          for (let lane = 0; lane < 16; lane++)
            if (here[lane]! > best[lane]!) [best[lane], index[lane]] = [here[lane]!, block]
        }
      }
      let lane = 0
      for (let i = 1; i < 16; i++) if (best[i]! > best[lane]!) lane = i
      found[token] = index[lane]! * 16 + lane
    }
  }

  scoreTable(
    similarities: number,
    tokens: number,
    centroids: number,
    lanes: number,
    lows: number,
    out: number,
  ): number {
    const f = new Float32Array(this.buffer)
    const levels = new Uint8Array(this.buffer, out, centroids * lanes).fill(0)
    let widest = 0
    for (let token = 0; token < tokens; token++) {
      const row = f.subarray((similarities >> 2) + token * centroids, (similarities >> 2) + (token + 1) * centroids)
      let [low, high] = [Infinity, -Infinity]
      for (const value of row) [low, high] = [Math.min(low, value), Math.max(high, value)]
      f[(lows >> 2) + token] = low
      widest = Math.max(widest, round(high - low))
    }
    const step = round(widest / 255)
    const inverse = step > 0 ? round(1 / step) : 0
    for (let token = 0; token < tokens; token++) {
      const low = f[(lows >> 2) + token]!
      for (let i = 0; i < centroids; i++) {
        const exact = round(round(f[(similarities >> 2) + token * centroids + i]! - low) * inverse)
        levels[i * lanes + token] = Math.min(255, toNearestEven(exact))
      }
    }
    return step
  }

  scanCodes(table: number, lanes: number, codes: number, starts: number, documents: number, out: number): void {
    const levels = new Uint8Array(this.buffer)
    const all = new Uint16Array(this.buffer)
    const begin = new Int32Array(this.buffer, starts, documents + 1)
    const sums = new Int32Array(this.buffer, out, documents)
    for (let document = 0; document < documents; document++) {
      let sum = 0
      for (let lane = 0; lane < lanes; lane++) {
        let most = 0
        for (let at = begin[document]!; at < begin[document + 1]!; at++) {
          most = Math.max(most, levels[table + all[(codes >> 1) + at]! * lanes + lane]!)
        }
        sum += most
      }
      sums[document] = sum
    }
  }

  /** One int8 row against one packed block of 16 centroids. */
  #block(
    row: number,
    dim: number,
    packed: number,
    block: number,
    scale: number,
    scales: number,
    out: Float32Array,
  ): void {
    const codes = new Int8Array(this.buffer, row, dim)
    const padded = (dim + 7) & ~7
    const centroids = new Int16Array(this.buffer, packed + block * padded * 32, padded * 16)
    const laneScales = new Float32Array(this.buffer, scales + block * 64, 16)
    for (let lane = 0; lane < 16; lane++) {
      let sum = 0
      for (let k = 0; k < dim; k++) sum += centroids[(k >> 1) * 32 + lane * 2 + (k & 1)]! * codes[k]!
      out[lane] = round(round(round(sum) * scale) * laneScales[lane]!)
    }
  }
}

function toNearestEven(value: number): number {
  const down = Math.floor(value)
  const rest = value - down
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down
}
