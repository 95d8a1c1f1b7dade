import { describe } from '../../options.js'
import { asComponent, componentList, damaged, DEEPEST, flag, notRun } from './component.js'
import type { Component } from './component.js'

/** Special tokens around a text, and how the spans of its tokens are cut. */
export interface PostProcessor {
  readonly leadingIds: readonly number[]
  readonly trailingIds: readonly number[]
  /** Leave blanks at both ends of a token out of its span, as ByteLevel and RobertaProcessing do. */
  readonly trim: { readonly addPrefixSpace: boolean } | undefined
}

const NOTHING: PostProcessor = { leadingIds: [], trailingIds: [], trim: undefined }

/**
 * The post-processor of tokenizer.json; null is none.
 *
 * @throws MODEL_UNSUPPORTED naming what is not known to give Python's results, MODEL_CORRUPT
 */
export function postProcessor(json: unknown, depth = 0): PostProcessor {
  if (json === null || json === undefined) return NOTHING
  const component = asComponent(json, 'the post_processor')
  switch (component.type) {
    case 'BertProcessing':
      return { ...around(component), trim: undefined }
    case 'RobertaProcessing':
      return { ...around(component), trim: trimming(component) }
    case 'ByteLevel':
      return { ...NOTHING, trim: trimming(component) }
    case 'TemplateProcessing':
      return template(component)
    case 'Sequence': {
      if (depth > DEEPEST) throw damaged(`post-processors ${depth} deep`)
      return componentList(component.processors, 'a sequence of post-processors')
        .map((one) => postProcessor(one, depth + 1))
        .reduce(follow, NOTHING)
    }
  }
  throw notRun(`the post-processor ${describe(component.type)} is not known`)
}

function follow(first: PostProcessor, second: PostProcessor): PostProcessor {
  if (second.trim && (first.trim || first.leadingIds.length > 0 || first.trailingIds.length > 0))
    throw notRun('a post-processor that trims spans after another has worked')
  return {
    leadingIds: [...second.leadingIds, ...first.leadingIds],
    trailingIds: [...first.trailingIds, ...second.trailingIds],
    trim: first.trim ?? second.trim,
  }
}

function trimming(component: Component): PostProcessor['trim'] {
  return flag(component, 'trim_offsets', true)
    ? { addPrefixSpace: flag(component, 'add_prefix_space', true) }
    : undefined
}

function around(component: Component): Pick<PostProcessor, 'leadingIds' | 'trailingIds'> {
  const id = (key: 'cls' | 'sep') =>
    tokenId((component[key] as unknown[] | undefined)?.[1], `"${key}" of ${String(component.type)}`)
  return { leadingIds: [id('cls')], trailingIds: [id('sep')] }
}

function template(component: Component): PostProcessor {
  const specials = asComponent(component.special_tokens ?? {}, '"special_tokens" of TemplateProcessing')
  const leadingIds: number[] = []
  const trailingIds: number[] = []
  let texts = 0
  for (const part of componentList(component.single, '"single" of TemplateProcessing')) {
    if (part.SpecialToken === undefined) {
      texts++
      continue
    }
    const { id } = asComponent(part.SpecialToken, 'a special token of TemplateProcessing')
    const special = asComponent(specials[String(id)], `the special token ${describe(id)} of TemplateProcessing`)
    if (!Array.isArray(special.ids)) throw damaged(`the special token ${describe(id)} of TemplateProcessing has no ids`)
    for (const one of special.ids as unknown[])
      (texts === 0 ? leadingIds : trailingIds).push(
        tokenId(one, `the special token ${describe(id)} of TemplateProcessing`),
      )
  }
  if (texts !== 1) throw notRun(`TemplateProcessing that has the text ${texts} times`)
  return { leadingIds, trailingIds, trim: undefined }
}

function tokenId(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < 2 ** 26) return value
  throw damaged(`${where} has the id ${describe(value)}`)
}
