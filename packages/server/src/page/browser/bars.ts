import { element } from './dom.js'

/** A bar of shares. */
export function stacked(sizes: readonly (readonly [string, number])[], total: number): Node[] {
  const bar = element('div', { class: 'bar', 'aria-hidden': 'true' })
  for (const [i, [name, size]] of sizes.entries()) {
    const piece = element('span', { class: `tone-${i % 6}`, title: name })
    piece.style.setProperty('flex-grow', String(size / total))
    bar.append(piece)
  }
  return [bar]
}

/** What its pieces are. */
export function legend(sizes: readonly (readonly [string, number])[], format: (size: number) => string): HTMLElement {
  return element(
    'ul',
    { class: 'legend' },
    ...sizes.map(([name, size], i) =>
      element(
        'li',
        {},
        element('span', { class: `dot tone-${i % 6}`, 'aria-hidden': 'true' }),
        `${name} `,
        element('b', {}, format(size)),
      ),
    ),
  )
}
