import { startPage } from './page.js'
import { applyTheme } from './theme.js'

applyTheme()
document.addEventListener('DOMContentLoaded', startPage)
