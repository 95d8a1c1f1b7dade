import { count, counted, element } from './dom.js'
import type { Contents, IndexDescription } from './server/api.js'

const EXAMPLES = 4
const LONGEST_EXAMPLE = 60

/** Before anything was asked. @param contents undefined while they are not known */
export function welcome(index: IndexDescription, contents: Contents | undefined, ask: (text: string) => void): Node[] {
  if (index.documents === 0) {
    const way = index.writable
      ? 'Drop a file here to begin.'
      : 'Add texts with serotine index, then start the server again.'
    return [element('p', {}, `The index is empty. ${way}`)]
  }
  const titles = contents?.fields.find(({ name }) => name === 'heading' || name === 'title')?.values ?? []
  const examples = titles
    .map(({ value }) => String(value).split(' › ').at(-1)!)
    .filter((text) => text.length < LONGEST_EXAMPLE)
  return [
    element('p', {}, `Ask ${counted(index.documents, 'document')} something, in your own words.`),
    element(
      'ul',
      { class: 'chips' },
      ...[...new Set(examples)].slice(0, EXAMPLES).map((text) => {
        const choose = { click: () => ask(text) }
        return element(
          'li',
          {},
          element('button', { type: 'button', class: 'chip', on: choose }, element('bdi', {}, text)),
        )
      }),
    ),
  ]
}

/** A server that has no index. */
export function noIndex(): Node[] {
  return [
    element('p', {}, 'This server has no index: it reranks only, at ', element('code', {}, '/v1/rerank'), '.'),
    element('p', {}, 'To search, start it with one: ', element('code', {}, 'serotine serve <folder>')),
  ]
}

/** A search without hits. */
export function nothing({ documents }: IndexDescription, isFiltered: boolean, withoutFilters: () => void): Node[] {
  if (documents === 0) return [element('p', {}, 'The index is empty.')]
  if (!isFiltered) return [element('p', {}, 'Nothing was found.')]
  return [
    element('p', {}, `None of the ${count(documents)} documents passes these filters.`),
    element('button', { type: 'button', on: { click: withoutFilters } }, 'Remove the filters'),
  ]
}
