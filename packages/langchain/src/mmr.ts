interface Candidate {
  readonly relevance: number
  readonly vector: Float32Array
}

/**
 * Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): again and again the candidate with the most
 * λ · relevance − (1 − λ) · likeness to what is chosen already. Candidates come best first; ties keep that order.
 */
export function diverse<C extends Candidate>(candidates: readonly C[], k: number, lambda: number): C[] {
  const left = candidates.map((candidate) => ({ candidate, norm: norm(candidate.vector), likeness: -1 }))
  const chosen: C[] = []
  while (chosen.length < k && left.length > 0) {
    let best = 0
    let bestScore = -Infinity
    for (const [i, { candidate, likeness }] of left.entries()) {
      const score = lambda * candidate.relevance - (1 - lambda) * (chosen.length === 0 ? 0 : likeness)
      if (score > bestScore) [best, bestScore] = [i, score]
    }
    const [next] = left.splice(best, 1)
    chosen.push(next!.candidate)
    for (const other of left) {
      const cosine = dot(next!.candidate.vector, other.candidate.vector) / (next!.norm * other.norm || 1)
      other.likeness = Math.max(other.likeness, cosine)
    }
  }
  return chosen
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function norm(vector: Float32Array): number {
  return Math.sqrt(dot(vector, vector))
}
