/** Fewer texts than this say nothing about which words are common. */
const FEWEST_TEXTS = 8
/** A word in more than this share of the texts is background there ("the", "der", "の"). */
export const COMMON_SHARE = 0.2

/**
 * Words that are background in a collection, in small letters, the most common first: told from its texts rather than from a list of one language's
 * stop words. A word is common that is in more than 20 % of them.
 *
 * @param texts some hundred of the collection; of fewer than 8 no word is called common
 */
export function commonWords(texts: readonly string[]): ReadonlySet<string> {
  if (texts.length < FEWEST_TEXTS) return new Set()
  const counts = new Map<string, number>()
  for (const text of texts) {
    const words = new Set(Array.from(text.matchAll(/[\p{L}\p{M}\p{N}_]+/gu), ([word]) => word.toLowerCase()))
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const common = [...counts].filter(([, holding]) => holding > texts.length * COMMON_SHARE)
  return new Set(common.sort(([, a], [, b]) => b - a).map(([word]) => word))
}
