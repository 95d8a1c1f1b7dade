/** Fewer texts than this say nothing about which words are common. */
const FEWEST_TEXTS = 8
/** A word in more than this share of the texts is background there ("the", "der", "の"). */
const COMMON_SHARE = 0.2

/**
 * Which words are background in a collection, told from a sample of its texts rather than from a list of one language's
 * stop words.
 */
export function commonWords(sample: readonly string[]): (word: string) => boolean {
  if (sample.length < FEWEST_TEXTS) return () => false
  const texts = new Map<string, number>()
  for (const text of sample) {
    const words = new Set(Array.from(text.matchAll(/[\p{L}\p{M}\p{N}_]+/gu), ([word]) => word.toLowerCase()))
    for (const word of words) texts.set(word, (texts.get(word) ?? 0) + 1)
  }
  return (word) => (texts.get(word.toLowerCase()) ?? 0) > sample.length * COMMON_SHARE
}
