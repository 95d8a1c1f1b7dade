// Words that find each other in every passage and say nothing about any: they are not lit.

/** Fewer passages than this say nothing about it. */
const FEWEST = 8
/** A word in more than this share of the passages is background: "der", "の". Higher than that of `commonWords`: libraries have a subject. */
const SHARE = 0.6
/** English ones are known without any passages; those of other languages are told by their share. */
const ENGLISH = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both but by can could did do
  does doing down during each few for from further get had has have having he her here hers him his how i if in into is it its itself just
  may me might mine more most much must my no nor not now of off on once one only or other our out over own please same she should so some
  such than that the their them then there these they this those through to too under until up us use used using very was we were what when
  where which while who whom whose why will with would you your`.split(/\s+/),
)

/** @param {string} word */
export function isFunctionWord(word) {
  return ENGLISH.has(word.toLowerCase())
}

/**
 * @param {readonly string[]} passages a sample
 * @returns {(word: string) => boolean}
 */
export function backgroundWords(passages) {
  /** @type {Map<string, number>} */
  const counts = new Map()
  for (const passage of passages) {
    const words = passage.toLowerCase().match(/[\p{L}\p{M}\p{N}_]+/gu) ?? []
    for (const word of new Set(words)) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const isEverywhere = (/** @type {string} */ word) => (counts.get(word.toLowerCase()) ?? 0) > passages.length * SHARE
  return (word) => isFunctionWord(word) || (passages.length >= FEWEST && isEverywhere(word))
}
