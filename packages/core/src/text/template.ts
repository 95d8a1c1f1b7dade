import { checkInteger, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { Encoding, Tokenizer } from './encoding.js'
import { pushSpan } from './aligned-text.js'
import { stripBounds, wellFormed } from './unicode/classes.js'

/** How a checkpoint turns a text into model input. Names and defaults follow PyLate. */
export interface TextConfig {
  /** A token (not text) put after [CLS]; '' for none. Its trailing blank, if any, belongs to it. */
  readonly queryPrefix: string
  readonly documentPrefix: string
  /** Tokens at most, special and prefix tokens included. */
  readonly queryLength: number
  readonly documentLength: number
  /** Fill queries up to `queryLength` with mask tokens, whose vectors count. */
  readonly doQueryExpansion: boolean
  /** Let other tokens attend to the expansion. Without expansion this has no effect. */
  readonly attendToExpansionTokens: boolean
  /** Document tokens without a vector: exact vocabulary items. */
  readonly skiplistWords: readonly string[]
  /** Lower-case the text before the tokenizer sees it. */
  readonly doLowerCase: boolean
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPromptName: string | null
}

/** Lengths beyond these are a mistake, or a stranger's checkpoint that would fill the memory. */
const LONGEST = 2 ** 20
/** Every expanded query is as long as this allows. */
const LONGEST_EXPANDED = 2 ** 15

/** One text, ready for the network. */
export interface ModelInput {
  readonly ids: Int32Array
  /** How many leading positions may be attended to; the rest is expansion. */
  readonly attended: number
  /** Positions whose vectors are returned, ascending. */
  readonly kept: Int32Array
  /** UTF-16 spans in the text given; −1 for special, prefix, prompt and expansion tokens. As long as `ids`. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** Tokens that did not fit. */
  readonly cut: number
}

export interface PromptChoice {
  /** Prepended verbatim; '' switches the default prompt off. */
  prompt?: string
  /** A key of the model's `prompts`. */
  promptName?: string
}

interface Kind {
  readonly prefixId: number | undefined
  readonly length: number
  readonly expand: boolean
  readonly skipped: ReadonlySet<number>
}

/**
 * PyLate's `tokenize`: prompt, strip, lower, ids, truncation, prefix, expansion, and which vectors are kept.
 *
 * @throws MODEL_UNSUPPORTED when a prefix is not a token, INVALID_ARGUMENT when a length leaves no room for text
 */
export class Template {
  readonly #tokenizer: Tokenizer
  readonly #config: TextConfig
  readonly #query: Kind
  readonly #document: Kind

  constructor(tokenizer: Tokenizer, config: TextConfig) {
    this.#tokenizer = tokenizer
    this.#config = config
    this.#query = this.#kind('query', config.queryPrefix, config.queryLength, config.doQueryExpansion, [])
    this.#document = this.#kind('document', config.documentPrefix, config.documentLength, false, config.skiplistWords)
  }

  query(text: string, prompt: PromptChoice = {}): ModelInput {
    return this.#input(this.#query, text, this.#promptText(prompt))
  }

  document(text: string, prompt: PromptChoice = {}): ModelInput {
    return this.#input(this.#document, text, this.#promptText(prompt))
  }

  #kind(name: string, prefix: string, length: number, expand: boolean, skiplist: readonly string[]): Kind {
    const { leading, trailing, unkId } = this.#tokenizer
    const prefixId = prefix === '' ? undefined : this.#tokenizer.tokenToId(prefix)
    if (prefix !== '' && prefixId === undefined) {
      throw new SerotineError(
        'MODEL_UNSUPPORTED',
        `The tokenizer has no token ${describe(prefix)}, which is the ${name} prefix; PyLate would give it a random vector. ` +
          `Set ${name}Prefix to the token this model was trained with, or to "" for none.`,
      )
    }
    const least = leading + trailing + (prefixId === undefined ? 0 : 1)
    checkInteger(`${name}Length`, length, least, expand ? LONGEST_EXPANDED : LONGEST)
    // As in PyLate, a skiplist word that is not a token stands for the unknown token.
    const skipped = new Set(skiplist.map((word) => this.#tokenizer.tokenToId(word) ?? unkId))
    skipped.delete(undefined)
    return { prefixId, length, expand, skipped: skipped as Set<number> }
  }

  #promptText({ prompt, promptName }: PromptChoice): string {
    if (prompt !== undefined) return prompt
    const { prompts, defaultPromptName } = this.#config
    if (promptName !== undefined && !Object.hasOwn(prompts, promptName)) {
      const names = Object.keys(prompts).map(describe).join(', ') || 'none'
      const message = `There is no prompt named ${describe(promptName)}. Prompts of this model: ${names}.`
      throw new SerotineError('INVALID_ARGUMENT', message)
    }
    const name = promptName ?? defaultPromptName
    return name === null ? '' : (prompts[name] ?? '')
  }

  #input({ prefixId, length, expand, skipped }: Kind, text: string, prompt: string): ModelInput {
    const { leading, trailing, maskId, truncationSide } = this.#tokenizer
    const encoding = this.#encode(text, prompt)
    const prefix = prefixId === undefined ? 0 : 1
    const size = encoding.ids.length
    const attended = Math.min(size + prefix, length)
    const cut = size + prefix - attended
    const total = expand ? length : attended

    const ids = new Int32Array(total).fill(maskId)
    const starts = new Int32Array(total).fill(-1)
    const ends = new Int32Array(total).fill(-1)
    // The special tokens at both ends survive the cut.
    const gap = truncationSide === 'left' ? leading : size - trailing - cut
    // The prefix goes after the first token, whatever that is.
    const head = Math.min(1, size - cut)
    for (let i = 0; i < size - cut; i++) {
      const from = i < gap ? i : i + cut
      const to = i < head ? i : i + prefix
      ids[to] = encoding.ids[from]!
      starts[to] = encoding.starts[from]!
      ends[to] = encoding.ends[from]!
    }
    if (prefixId !== undefined) ids[head] = prefixId

    const all = Int32Array.from(ids, (_, i) => i)
    return {
      ids,
      attended: expand && this.#config.attendToExpansionTokens ? total : attended,
      kept: skipped.size === 0 ? all : all.filter((i) => !skipped.has(ids[i]!)),
      starts,
      ends,
      cut,
    }
  }

  /** Token ids with spans in `text`: the prompt and what strip and lower changed are accounted for. */
  #encode(text: string, prompt: string): Encoding {
    const whole = wellFormed(prompt + text)
    const [start, end] = stripBounds(whole)
    const stripped = whole.slice(start, end)
    const lowered = this.#config.doLowerCase ? stripped.toLowerCase() : stripped
    const encoding = this.#tokenizer.encode(lowered)
    const origins = lowered.length === stripped.length ? undefined : lowerCaseOrigins(stripped)
    const shift = start - prompt.length
    const { starts, ends } = encoding
    for (let i = 0; i < starts.length; i++) {
      if (starts[i]! < 0) continue
      const to = (origins && ends[i]! > 0 ? origins.ends[ends[i]! - 1]! : ends[i]!) + shift
      if (to <= 0) {
        // Of the prompt, not of the text.
        starts[i] = ends[i] = -1
        continue
      }
      let from = Math.max((origins ? (origins.starts[starts[i]!] ?? stripped.length) : starts[i]!) + shift, 0)
      // A byte-level token owns the blank before its word; what is shown is the word.
      while (from < to - 1 && isBlank(text.charCodeAt(from))) from++
      starts[i] = from
      ends[i] = to
    }
    return encoding
  }
}

function isBlank(c: number): boolean {
  return c === 0x20 || (c >= 9 && c <= 13) || c === 0xa0
}

/** Where each unit of `text.toLowerCase()` came from. Only İ grows (to two units). */
function lowerCaseOrigins(text: string): { starts: number[]; ends: number[] } {
  const starts: number[] = []
  const ends: number[] = []
  let at = 0
  for (const ch of text) {
    pushSpan(starts, ends, ch.toLowerCase().length, at, at + ch.length)
    at += ch.length
  }
  return { starts, ends }
}
