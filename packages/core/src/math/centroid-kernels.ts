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
  /** sums[code of a row] += the row, in the order of the rows. Rows f32 `[count × dim]`, codes u16 `[count]`, sums f32 `[codes × dim]`. */
  sumByCode(rows: number, count: number, dim: number, codes: number, sums: number): void
  /**
   * As `similaritiesInt8`, but only with the centroids of the cells that `near` names for a token; the rest of `out` stays as it is.
   *
   * @param cellBlocks as for `nearestInt8`
   * @param near u8 `[cells × tokens]`, 1 where a token is to be compared with the centroids of a cell
   */
  similaritiesNear(
    codes: number,
    scales: number,
    tokens: number,
    dim: number,
    packed: number,
    packedScales: number,
    cellBlocks: number,
    cells: number,
    near: number,
    scratch: number,
    out: number,
  ): void
  /**
   * u8 levels `[centroids × lanes]`, lanes ≥ tokens, the rest 0: level × step + lows[token] is the similarity of a token with a centroid,
   * and with the cell that the centroid is in where `near` does not name it. Rounded to nearest even. Writes `lows`, returns `step`.
   *
   * @param ofCells f32 `[tokens × cells rounded up to 16]`
   * @param similarities as `similaritiesNear` made them
   */
  levelTable(
    ofCells: number,
    similarities: number,
    near: number,
    cellBlocks: number,
    cells: number,
    tokens: number,
    lanes: number,
    lows: number,
    out: number,
  ): number
  /**
   * out[document] (i32) = Σ over lanes of the highest level among the document's codes (u16), and of at least floors[lane] (u8); its
   * codes are those from starts[document] to starts[document + 1] (i32). `lanes` is a multiple of 16.
   */
  scanCodes(
    table: number,
    lanes: number,
    floors: number,
    codes: number,
    starts: number,
    documents: number,
    out: number,
  ): void
  /**
   * What `scanCodes` says of documents in groups, by lists: group g has documents rows[g] to rows[g + 1] (i32, multiples of 16). At
   * lists[g] (u32, an address) are i32 starts `[centroids + 1]`, then u16 documents, counted from rows[g]: those with a centroid from
   * starts[centroid] to starts[centroid + 1]. For each token only the lists of its most similar centroids are looked at, of so many levels that they are
   * `wanted` or all; no document counts less than the lowest of these levels, which is written to `floors` (u8 `[tokens]`).
   *
   * @param scratch 1,024 bytes, 4 for each centroid, and one for each document of the largest group
   */
  scanLists(
    table: number,
    lanes: number,
    tokens: number,
    near: number,
    cellBlocks: number,
    cells: number,
    wanted: number,
    groups: number,
    rows: number,
    lists: number,
    scratch: number,
    floors: number,
    out: number,
  ): void
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

  similaritiesNear(
    codes: number,
    scales: number,
    tokens: number,
    dim: number,
    packed: number,
    packedScales: number,
    cellBlocks: number,
    cells: number,
    near: number,
    _scratch: number,
    out: number,
  ): void {
    const f = new Float32Array(this.buffer)
    const blocksOfCells = new Int32Array(this.buffer, cellBlocks, cells + 1)
    const isNear = new Uint8Array(this.buffer, near, cells * tokens)
    for (let cell = 0; cell < cells; cell++) {
      for (let token = 0; token < tokens; token++) {
        if (!isNear[cell * tokens + token]) continue
        const scale = f[(scales >> 2) + token]!
        for (let block = blocksOfCells[cell]!; block < blocksOfCells[cell + 1]!; block++) {
          const to = (out >> 2) + (token * blocksOfCells[cells]! + block) * 16
          this.#block(codes + token * dim, dim, packed, block, scale, packedScales, f.subarray(to, to + 16))
        }
      }
    }
  }

  levelTable(
    ofCells: number,
    similarities: number,
    near: number,
    cellBlocks: number,
    cells: number,
    tokens: number,
    lanes: number,
    lows: number,
    out: number,
  ): number {
    const f = new Float32Array(this.buffer)
    const blocksOfCells = new Int32Array(this.buffer, cellBlocks, cells + 1)
    const isNear = new Uint8Array(this.buffer, near, cells * tokens)
    const centroids = blocksOfCells[cells]! * 16
    const padded = (cells + 15) & ~15
    const levels = new Uint8Array(this.buffer, out, centroids * lanes).fill(0)
    /** Of a token with a centroid that is in a cell. */
    const similarity = (token: number, cell: number, centroid: number): number =>
      isNear[cell * tokens + token]
        ? f[(similarities >> 2) + token * centroids + centroid]!
        : f[(ofCells >> 2) + token * padded + cell]!
    let widest = 0
    for (let token = 0; token < tokens; token++) {
      let [low, high] = [Infinity, -Infinity]
      for (let cell = 0; cell < cells; cell++) {
        low = Math.min(low, f[(ofCells >> 2) + token * padded + cell]!)
        if (!isNear[cell * tokens + token]) high = Math.max(high, f[(ofCells >> 2) + token * padded + cell]!)
        else {
          for (let centroid = blocksOfCells[cell]! * 16; centroid < blocksOfCells[cell + 1]! * 16; centroid++) {
            const value = similarity(token, cell, centroid)
            ;[low, high] = [Math.min(low, value), Math.max(high, value)]
          }
        }
      }
      f[(lows >> 2) + token] = low
      widest = Math.max(widest, round(Math.max(low, high) - low))
    }
    const step = round(widest / 255)
    const inverse = step > 0 ? round(1 / step) : 0
    for (let token = 0; token < tokens; token++) {
      const low = f[(lows >> 2) + token]!
      for (let cell = 0; cell < cells; cell++) {
        for (let centroid = blocksOfCells[cell]! * 16; centroid < blocksOfCells[cell + 1]! * 16; centroid++) {
          const exact = round(round(similarity(token, cell, centroid) - low) * inverse)
          levels[centroid * lanes + token] = Math.min(255, toNearestEven(exact))
        }
      }
    }
    return step
  }

  scanCodes(
    table: number,
    lanes: number,
    floors: number,
    codes: number,
    starts: number,
    documents: number,
    out: number,
  ): void {
    const u8 = new Uint8Array(this.buffer)
    const all = new Uint16Array(this.buffer)
    const begin = new Int32Array(this.buffer, starts, documents + 1)
    const sums = new Int32Array(this.buffer, out, documents)
    for (let document = 0; document < documents; document++) {
      let sum = 0
      for (let lane = 0; lane < lanes; lane++) {
        let most = u8[floors + lane]!
        for (let at = begin[document]!; at < begin[document + 1]!; at++) {
          most = Math.max(most, u8[table + all[(codes >> 1) + at]! * lanes + lane]!)
        }
        sum += most
      }
      sums[document] = sum
    }
  }

  scanLists(
    table: number,
    lanes: number,
    tokens: number,
    near: number,
    cellBlocks: number,
    cells: number,
    wanted: number,
    groups: number,
    rows: number,
    lists: number,
    _scratch: number,
    floors: number,
    out: number,
  ): void {
    const u8 = new Uint8Array(this.buffer)
    const u16 = new Uint16Array(this.buffer)
    const i32 = new Int32Array(this.buffer)
    const blocksOfCells = new Int32Array(this.buffer, cellBlocks, cells + 1)
    const rowsOfGroups = new Int32Array(this.buffer, rows, groups + 1)
    const sums = new Int32Array(this.buffer, out, rowsOfGroups[groups]!).fill(0)
    for (let token = 0; token < tokens; token++) {
      const levelOf = (centroid: number): number => u8[table + centroid * lanes + token]!
      const centroids: number[] = []
      for (let cell = 0; cell < cells; cell++) {
        if (!u8[near + cell * tokens + token]) continue
        for (let each = blocksOfCells[cell]! * 16; each < blocksOfCells[cell + 1]! * 16; each++) centroids.push(each)
      }
      const counts = new Int32Array(256)
      for (const centroid of centroids) counts[levelOf(centroid)]!++
      let floor = 255
      for (let seen = counts[255]!; floor > 0 && seen < wanted;) seen += counts[--floor]!
      u8[floors + token] = floor
      for (let group = 0; group < groups; group++) {
        const [first, end] = [rowsOfGroups[group]!, rowsOfGroups[group + 1]!]
        const best = new Uint8Array(end - first).fill(floor)
        for (const centroid of centroids) {
          const starts = i32[(lists >> 2) + group]! >>> 2
          const entries = (starts + blocksOfCells[cells]! * 16 + 1) * 2
          for (let at = i32[starts + centroid]!; at < i32[starts + centroid + 1]!; at++) {
            const document = u16[entries + at]!
            best[document] = Math.max(best[document]!, levelOf(centroid))
          }
        }
        for (let document = first; document < end; document++) sums[document]! += best[document - first]!
      }
    }
  }

  sumByCode(rows: number, count: number, dim: number, codes: number, sums: number): void {
    const f32 = new Float32Array(this.buffer)
    const numbers = new Uint16Array(this.buffer, codes, count)
    for (let i = 0, row = rows >> 2; i < count; i++, row += dim) {
      const sum = (sums >> 2) + numbers[i]! * dim
      for (let k = 0; k < dim; k++) f32[sum + k]! += f32[row + k]!
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
