import type { FdeRows } from '../fde/fde-rows.js'
import { spread } from '../sample.js'
import { PrincipalDirections } from './principal-directions.js'

/** Numbers of a point: with fewer more is missed, and a graph takes as many more bytes and as much more time to build. */
const DIRECTIONS = 256
/** Of the lengths there are, so much longer ones may come. */
const ROOM = 1.1
/** FDEs whose lengths are looked at. */
const SAMPLE = 1024

/**
 * What the points of a graph are: FDEs along their principal directions, made equally long by one more number, which queries do not have
 * (Bachrach et al., RecSys 2014). By inner product the longest points are everybody's neighbours, and a walk ends among them: with 56,000
 * documents, .57 of the exact top 10 was among the 100 best that way, and .73 this way.
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
