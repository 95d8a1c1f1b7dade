// Before anything is drawn: the colours that the reader chose, else the system's. No module, so that it runs at once.
;(() => {
  const kept = 'chatbot-theme'
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const root = document.documentElement
  const chosen = () => {
    try {
      return localStorage.getItem(kept)
    } catch {
      return null
    }
  }
  const apply = () => {
    const theme = chosen()
    root.dataset['theme'] = theme === 'light' || theme === 'dark' ? theme : dark.matches ? 'dark' : 'light'
    const button = document.getElementById('theme')
    if (button) button.textContent = root.dataset['theme'] === 'dark' ? 'Light colours' : 'Dark colours'
  }
  apply()
  dark.addEventListener('change', apply)
  document.addEventListener('DOMContentLoaded', () => {
    apply()
    document.getElementById('theme')?.addEventListener('click', () => {
      const next = root.dataset['theme'] === 'dark' ? 'light' : 'dark'
      try {
        localStorage.setItem(kept, next)
      } catch {
        // Private windows keep nothing: the system's colours stay.
      }
      apply()
    })
  })
})()
