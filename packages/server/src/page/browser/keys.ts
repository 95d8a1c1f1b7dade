import type { Results } from './results/results.js'

/** `/` asks, arrows go from hit to hit, Enter opens the heat map of one, Escape goes back. */
export function startKeys(results: Results, query: HTMLInputElement): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    const target = event.target as HTMLElement
    if (target.closest('dialog')) return
    const isTyping = target.matches('input:not([type=checkbox]), select, textarea')
    const at = results.focused
    const isTitle = target.matches('.hit .title')
    const done = key(event.key)
    if (done) event.preventDefault()

    function key(name: string): boolean {
      if (name === '/' && !isTyping) {
        query.focus()
        query.select()
        return true
      }
      if (name === 'Escape') return back()
      if (name === 'Enter' && isTitle) {
        results.toggleHeatMap(at)
        return true
      }
      if (name !== 'ArrowDown' && name !== 'ArrowUp') return false
      const fromQuery = target === query || target === document.body
      if ((!fromQuery && !isTitle) || results.length === 0) return false
      if (name === 'ArrowDown') results.focus(fromQuery ? 0 : Math.min(at + 1, results.length - 1))
      else if (at === 0) query.focus()
      else if (at > 0) results.focus(at - 1)
      else return false
      return true
    }

    function back(): boolean {
      if (at !== -1 && results.closeHeatMap(at)) return true
      // The field's own Escape empties it.
      if (target === query) return false
      query.focus()
      return true
    }
  })
}
