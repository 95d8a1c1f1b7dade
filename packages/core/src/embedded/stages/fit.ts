/** Documents added since are looked at when they have so many tokens; until then they are candidates of every search, for 2 ms. */
export const UNSEEN_TOKENS = 16_384
/** Documents and tokens that a fit is measured on. */
export const FIT = { documents: 256, tokens: 4096 } as const
/** New tokens fit when their mean distance (1 − similarity) from their centroids is at most this many times that of the old. */
const FITS = 1.1

/** Whether new tokens fit what was learned from others, by the mean similarity of each kind with its centroids. */
export function fits(ofNew: number, ofOld: number): boolean {
  return 1 - ofNew <= (1 - ofOld) * FITS
}
