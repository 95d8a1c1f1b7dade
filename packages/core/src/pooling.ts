import { checkInteger } from './options.js'
import { checkEmbeddings } from './embeddings.js'
import type { TokenEmbeddings } from './embeddings.js'

/**
 * Keeps about one in `poolFactor` token vectors of a document: similar tokens are clustered and replaced by their mean
 * ("token pooling", Clavié et al., arXiv:2409.14683). MaxSim hardly changes at 2, storage and scoring cost halve.
 *
 * The same vectors in the same order as PyLate 1.6 (`pool_embeddings_hierarchical`): Ward linkage on the distances 1 − dot
 * product, cut to at most `floor(tokens / poolFactor)` clusters (at least one). The means are not normalised again.
 *
 * @param poolFactor 1 = keep everything
 * @param protectedTokens this many leading vectors stay as they are, in front. Default 1: [CLS]
 * @throws INVALID_ARGUMENT, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function poolEmbeddings(embeddings: TokenEmbeddings, poolFactor: number, protectedTokens = 1): TokenEmbeddings {
  checkInteger('poolFactor', poolFactor, 1)
  checkInteger('protectedTokens', protectedTokens, 0)
  checkEmbeddings(embeddings, embeddings.dim, 'the document')
  const { data, length, dim } = embeddings
  const head = Math.min(protectedTokens, length)
  const count = length - head
  const clusters = Math.max(Math.floor(count / poolFactor), 1)
  if (clusters >= count) return embeddings

  const labels = cutTree(wardLinkage(distances(data.subarray(head * dim), count, dim), count), count, clusters)
  const kept = Math.max(...labels)
  const pooled = new Float32Array((head + kept) * dim)
  pooled.set(data.subarray(0, head * dim))
  const sums = new Float64Array(kept * dim)
  const sizes = new Int32Array(kept)
  labels.forEach((label, token) => {
    const cluster = label - 1
    sizes[cluster]!++
    for (let k = 0; k < dim; k++) sums[cluster * dim + k]! += data[(head + token) * dim + k]!
  })
  sums.forEach((sum, i) => (pooled[head * dim + i] = sum / sizes[Math.floor(i / dim)]!))
  return { data: pooled, length: head + kept, dim }
}

/** 1 − dot product of every pair i < j, row after row. Rounded to f32 where PyLate computes in f32. */
function distances(rows: Float32Array, count: number, dim: number): Float64Array {
  const condensed = new Float64Array((count * (count - 1)) / 2)
  let at = 0
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      let dot = 0
      for (let k = 0; k < dim; k++) dot += rows[i * dim + k]! * rows[j * dim + k]!
      condensed[at++] = Math.fround(1 - Math.fround(dot))
    }
  }
  return condensed
}

/** A merge of two clusters; ids below `count` are tokens, `count + i` is merge i. */
interface Merge {
  left: number
  right: number
  height: number
}

/**
 * Ward's clustering by nearest-neighbour chains, with scipy's order and numbering (`scipy.cluster.hierarchy.linkage`): merges
 * stably sorted by height, the smaller id to the left. Overwrites the distances. O(n²).
 */
function wardLinkage(condensed: Float64Array, count: number): Merge[] {
  const at = (i: number, j: number): number => {
    const [low, high] = i < j ? [i, j] : [j, i]
    return low * count - (low * (low + 1)) / 2 + high - low - 1
  }
  const sizes = new Int32Array(count).fill(1)
  const found: Merge[] = []
  const chain: number[] = []
  while (found.length < count - 1) {
    if (chain.length === 0) chain.push(sizes.findIndex((size) => size > 0))
    let a: number
    let b: number
    let height: number
    for (;;) {
      a = chain.at(-1)!
      // The previous link of the chain wins ties, or the chain would not end.
      b = chain.at(-2) ?? -1
      height = b >= 0 ? condensed[at(a, b)]! : Infinity
      for (let i = 0; i < count; i++) {
        if (sizes[i] === 0 || i === a) continue
        const distance = condensed[at(a, i)]!
        if (distance < height) [height, b] = [distance, i]
      }
      if (chain.length > 1 && b === chain.at(-2)) break
      chain.push(b)
    }
    chain.length -= 2
    const [left, right] = a < b ? [a, b] : [b, a]
    found.push({ left, right, height })
    const [leftSize, rightSize] = [sizes[left]!, sizes[right]!]
    sizes[left] = 0
    sizes[right] = leftSize + rightSize
    for (let i = 0; i < count; i++) {
      const size = sizes[i]!
      if (size === 0 || i === right) continue
      const share = 1 / (leftSize + rightSize + size)
      const toLeft = condensed[at(i, left)]!
      const toRight = condensed[at(i, right)]!
      condensed[at(i, right)] = Math.sqrt(
        (size + leftSize) * share * toLeft * toLeft +
          (size + rightSize) * share * toRight * toRight -
          size * share * height * height,
      )
    }
  }
  return numberMerges(found, count)
}

function numberMerges(found: readonly Merge[], count: number): Merge[] {
  const parents = Int32Array.from({ length: 2 * count - 1 }, (_, id) => id)
  const rootOf = (id: number): number => {
    let root = id
    while (parents[root] !== root) root = parents[root]!
    return root
  }
  return [...found]
    .sort((a, b) => a.height - b.height)
    .map(({ left, right, height }, rank) => {
      const [a, b] = [rootOf(left), rootOf(right)]
      parents[a] = parents[b] = count + rank
      return { left: Math.min(a, b), right: Math.max(a, b), height }
    })
}

/**
 * Cluster labels 1, 2, … of every token after cutting at the smallest height that leaves at most `clusters` (equal heights are
 * cut together, so there may be fewer), numbered as scipy's `fcluster(criterion='maxclust')` does: depth first, left before
 * right, clusters when they are entered, single tokens when both subtrees of their parent are done.
 */
function cutTree(merges: readonly Merge[], count: number, clusters: number): Int32Array {
  const cut = merges[count - clusters - 1]!.height
  const labels = new Int32Array(count)
  let last = 0
  // An explicit stack: a tree of n tokens can be n deep.
  const stack = [{ id: 2 * count - 2, inside: false, leaving: false }]
  while (stack.length > 0) {
    const { id, inside, leaving } = stack.pop()!
    const { left, right, height } = merges[id - count]!
    if (leaving) {
      for (const child of [left, right]) if (child < count) labels[child] = inside ? last : ++last
      continue
    }
    const within = inside || height <= cut
    if (within && !inside) last++
    stack.push({ id, inside: within, leaving: true })
    for (const child of [right, left]) if (child >= count) stack.push({ id: child, inside: within, leaving: false })
  }
  return labels
}
