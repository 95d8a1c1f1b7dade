import type { FdeRows } from '../fde/fde-rows.js'
import { spread } from '../sample.js'
import { PrincipalDirections } from './principal-directions.js'

/**
 * Numbers of a point, but one. Of 56,000 `compact` FDEs, with 4,000 of the graph ranked again: share of the exact top 10 among the best
 * 1,000, and CPU of the walk. 128: .88, 8 ms; 192: .91, 10 ms; 256: .91, 11 ms; all 2,560: .54, 16 ms. The more numbers, the more a walk
 * misses of what is there, and the fewer, the more is not there.
 */
const DIRECTIONS = 192
/** Of the lengths there are, so much longer ones may come. */
const ROOM = 1.1
/** FDEs whose lengths are looked at. */
const SAMPLE = 1024

/** Numbers of a point of a graph over many FDEs of so many. */
export function pointLength(fdeLength: number): number {
  return Math.min(fdeLength, DIRECTIONS) + 1
}

/**
 * What the points of a graph are: FDEs along their principal directions, made equally long by one more number, which queries do not have
 * (Bachrach et al., RecSys 2014). By inner product the longest points are everybody's neighbours, and a walk ends among them: with 56,000
 * documents, with 256 numbers and 2,000 ranked again, .57 of the exact top 10 was among the best 100 that way, and .73 this way.
 */
export class GraphVectors {
  /** Undefined: FDEs are short as they are. */
  readonly directions: PrincipalDirections | undefined
  /** Numbers of a point. */
  readonly length: number
  /** Length that points are brought to; longer ones stay longer. */
  readonly norm: number

  constructor(fdeLength: number, directions: PrincipalDirections | undefined, norm: number) {
    this.directions = directions
    this.length = (directions?.count ?? fdeLength) + 1
    this.norm = norm
  }

  static async learn(fdes: FdeRows, signal?: AbortSignal): Promise<GraphVectors> {
    const directions =
      fdes.dim > DIRECTIONS && fdes.length > 0 ? await PrincipalDirections.learn(fdes, DIRECTIONS, signal) : undefined
    return new GraphVectors(fdes.dim, directions, longest(fdes) * ROOM)
  }

  // hnswlib-node only takes plain arrays, and ends the process on anything in them that is not a number.

  ofDocument(fde: Float32Array): number[] {
    const point = this.#along(fde)
    point.push(Math.sqrt(Math.max(0, this.norm * this.norm - squareOf(point))))
    return point
  }

  ofQuery(fde: Float32Array): number[] {
    const point = this.#along(fde)
    point.push(0)
    return point
  }

  #along(fde: Float32Array): number[] {
    return Array.from(this.directions ? this.directions.project(fde) : fde)
  }
}

function longest(fdes: FdeRows): number {
  const ordinals = spread(
    Array.from({ length: fdes.length }, (_, i) => i),
    SAMPLE,
  )
  return Math.sqrt(ordinals.reduce((most, ordinal) => Math.max(most, squareOf(fdes.row(ordinal))), 0))
}

function squareOf(vector: ArrayLike<number>): number {
  let square = 0
  for (let i = 0; i < vector.length; i++) square += vector[i]! * vector[i]!
  return square
}
