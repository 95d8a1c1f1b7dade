import type { Theme } from 'vitepress'
import theme from 'vitepress/theme-without-fonts'
import FirstPage from './FirstPage.vue'
import './style.css'

export default {
  extends: theme,
  enhanceApp({ app }) {
    app.component('first-page', FirstPage)
  },
} satisfies Theme
