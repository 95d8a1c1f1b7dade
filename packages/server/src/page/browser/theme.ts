import { part } from './dom.js'

const KEPT = 'serotine-theme'
const dark = matchMedia('(prefers-color-scheme: dark)')

/** What the reader chose; else the system's. */
function chosen(): 'light' | 'dark' | undefined {
  try {
    const kept = localStorage.getItem(KEPT)
    return kept === 'light' || kept === 'dark' ? kept : undefined
  } catch {
    return undefined
  }
}

/** Before anything is drawn. */
export function applyTheme(): void {
  document.documentElement.dataset['theme'] = chosen() ?? (dark.matches ? 'dark' : 'light')
}

export function startTheme(): void {
  const button = part<HTMLButtonElement>('theme')
  const name = (): void => {
    const isDark = document.documentElement.dataset['theme'] === 'dark'
    button.textContent = isDark ? 'Light' : 'Dark'
    button.setAttribute('aria-label', `${isDark ? 'Light' : 'Dark'} colours`)
  }
  button.addEventListener('click', () => {
    const next = document.documentElement.dataset['theme'] === 'dark' ? 'light' : 'dark'
    try {
      localStorage.setItem(KEPT, next)
    } catch {
      // For this page only.
    }
    document.documentElement.dataset['theme'] = next
    name()
  })
  dark.addEventListener('change', () => {
    applyTheme()
    name()
  })
  name()
}
