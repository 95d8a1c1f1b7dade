import { checkOptions } from '@serotine/core/options'
import { textBlocks } from './blocks.js'
import { markdownBlocks } from './formats/markdown.js'
import { PASSAGE_LIMITS, splitBlocks } from './passages.js'
import type { Passage, PassageLimits } from './passages.js'

export interface PassageOptions extends PassageLimits {
  /** Respect headings and blocks of code and HTML; leave front matter out. Default false. */
  markdown?: boolean
}

const PASSAGE_OPTIONS = [...PASSAGE_LIMITS, 'markdown']

/**
 * Splits a text into passages: whole paragraphs while they fit, sentences of longer ones, words of longer sentences.
 * A heading begins a new passage unless the one before would be very short. Nothing but blanks between blocks is left out.
 *
 * @throws UNKNOWN_OPTION
 */
export function splitPassages(text: string, options: PassageOptions = {}): Passage[] {
  checkOptions('splitPassages', options, PASSAGE_OPTIONS)
  return splitBlocks(text, options.markdown ? markdownBlocks(text) : textBlocks(text), options)
}
