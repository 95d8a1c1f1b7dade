import type { TokenEmbeddings } from '../embeddings.js'
import { signBytes } from './codebook.js'
import type { Codebook } from './codebook.js'

/** What the two whole numbers of a token mean: the token ≈ first × along × its centroid + second × across × signs. */
export interface ResidualSteps {
  readonly along: number
  readonly across: number
}

/** Bytes a token has: its signs, and how far it goes along its centroid and along the signs. */
export function residualBytes(dim: number): number {
  return signBytes(dim) + 2
}

/**
 * What centroids leave of tokens, a bit a dimension: on which side of its centroid's direction the token lies, and by least squares how far
 * it goes along the centroid and along those signs. ColBERTv2's residual compression (Santhanam et al., arXiv:2112.01488, section 3.3) at one
 * bit, with two numbers a token in the place of cut-offs for all.
 *
 * @param codes the tokens' centroids, `[length]`
 * @returns `[length × residualBytes(dim)]`
 */
export function encodeResiduals(
  codebook: Codebook,
  tokens: TokenEmbeddings,
  codes: Uint16Array,
  { along, across }: ResidualSteps,
): Uint8Array {
  const bytes = signBytes(tokens.dim)
  const { signs, sums } = codebook.residualSigns(tokens, codes)
  const out = new Uint8Array(tokens.length * (bytes + 2))
  for (let token = 0; token < tokens.length; token++) {
    const at = token * (bytes + 2)
    for (let i = 0; i < bytes; i++) out[at + i] = signs[token * bytes + i]!
    const { first, second } = fitted(sums, tokens, token)
    out[at + bytes] = level(first, along)
    out[at + bytes + 1] = level(second, across)
  }
  return out
}

/** Steps that reach as far as any of these tokens goes. */
export function residualSteps(codebook: Codebook, tokens: TokenEmbeddings, codes: Uint16Array): ResidualSteps {
  const { sums } = codebook.residualSigns(tokens, codes)
  let [along, across] = [0, 0]
  for (let token = 0; token < tokens.length; token++) {
    const { first, second } = fitted(sums, tokens, token)
    along = Math.max(along, first)
    across = Math.max(across, second)
  }
  return { along: Math.fround(along / 255), across: Math.fround(across / 255) }
}

/**
 * As `leastSquares` says, made as long as the token is: what least squares leaves of it is shorter, by as much as its direction is missed, and
 * MaxSim would take a token that is coded badly for one that is far. nDCG@10 of the embedded model from these vectors alone, with the shorter ones
 * and as they are: CoSQA .684 and .714, XQuAD .977 and .981, Cranfield .343 both, ADI .464 and .463.
 */
function fitted(sums: Float32Array, { data, dim }: TokenEmbeddings, token: number): { first: number; second: number } {
  const { first, second } = leastSquares(sums, token, dim)
  const [both, square] = [sums[token * 4 + 2]!, sums[token * 4 + 3]!]
  const fit = first * first * square + 2 * first * second * both + second * second * dim
  let length = 0
  for (let k = token * dim; k < (token + 1) * dim; k++) length += data[k]! * data[k]!
  const stretch = fit > 0 ? Math.sqrt(length / fit) : 1
  return { first: first * stretch, second: second * stretch }
}

/** How far a token goes along its centroid c and along its signs s: the normal equations with c · c, c · s and s · s = dim. */
function leastSquares(sums: Float32Array, token: number, dim: number): { first: number; second: number } {
  const at = token * 4
  const byCentroid = sums[at]!
  const bySigns = sums[at + 1]!
  const both = sums[at + 2]!
  const square = sums[at + 3]!
  const determinant = square * dim - both * both
  if (determinant <= 0) return { first: byCentroid, second: 0 }
  return {
    first: (byCentroid * dim - bySigns * both) / determinant,
    second: (bySigns * square - byCentroid * both) / determinant,
  }
}

function level(value: number, step: number): number {
  return step > 0 ? Math.min(255, Math.max(0, Math.round(value / step))) : 0
}
