// What a second bit a dimension would keep: an experiment beside the codec `residual`, which has one.

/** Where two levels a side best stand for normally distributed numbers of deviation 1: Lloyd and Max. */
const [LOW, HIGH, BETWEEN] = [0.4528, 1.51, 0.9816]

/**
 * Tokens as a centroid and, a dimension, one of four levels of what it leaves, with two numbers a token by least squares, as long as the token.
 *
 * @param codebook of core
 * @param tokens `{ data, length, dim }`, f32 `[length × dim]`
 */
export function roundedToTwoBits(codebook, { data, length, dim }) {
  const codes = codebook.encode({ data, length, dim })
  const { centroids } = codebook.data
  const out = new Float32Array(length * dim)
  const levels = new Float32Array(dim)
  for (let token = 0; token < length; token++) {
    const x = data.subarray(token * dim, (token + 1) * dim)
    const c = centroids.subarray(codes[token] * dim, (codes[token] + 1) * dim)
    const along = dot(x, c)
    let squares = 0
    for (let k = 0; k < dim; k++) squares += (x[k] - along * c[k]) ** 2
    const deviation = Math.sqrt(squares / dim)
    for (let k = 0; k < dim; k++) {
      const rest = x[k] - along * c[k]
      levels[k] = Math.sign(rest || 1) * (Math.abs(rest) > BETWEEN * deviation ? HIGH : LOW)
    }
    const [cc, cz, zz, xz] = [dot(c, c), dot(c, levels), dot(levels, levels), dot(x, levels)]
    const determinant = cc * zz - cz * cz
    const first = determinant > 0 ? (along * zz - xz * cz) / determinant : along
    const second = determinant > 0 ? (xz * cc - along * cz) / determinant : 0
    const fit = first * first * cc + 2 * first * second * cz + second * second * zz
    const stretch = fit > 0 ? Math.sqrt(dot(x, x) / fit) : 1
    for (let k = 0; k < dim; k++) out[token * dim + k] = stretch * (first * c[k] + second * levels[k])
  }
  return { data: out, length, dim }
}

/** Bytes of a token: centroid, two bits a dimension, two numbers. */
export function twoBitBytes(dim) {
  return 2 + Math.ceil(dim / 4) + 2
}

function dot(a, b) {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}
