import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { ABOUT, describePage } from './describe.js'
import { githubSlug } from '../../scripts/github-slug.mjs'
import { emptyHeadings, leaveForRepository } from './links.js'
import { NAV, sidebar } from './pages.js'

const ROOT = new URL('../../', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { repository: { url: string } }
const repository = manifest.repository.url.replace(/^git\+|\.git$/g, '')
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** ONNX Runtime for the web names files beside itself; it is handed its WebAssembly, so none of them is to be shipped. */
const runtimeWithoutFiles = {
  name: 'onnxruntime-web-without-files',
  enforce: 'pre' as const,
  transform: (code: string, id: string) =>
    /onnxruntime-web.*\.mjs/.test(id) ? code.replace(/\bimport\.meta\.url\b/g, 'self.location.href') : undefined,
}

export default defineConfig({
  lang: 'en',
  title: 'Serotine',
  description: ABOUT,
  lastUpdated: false,
  metaChunk: true,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: '/icon.svg' }],
    ['meta', { name: 'theme-color', content: '#0b6aa8' }],
  ],
  markdown: {
    // The same anchors as on GitHub, where the pages are read, too.
    anchor: { slugify: githubSlug },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark' },
    config(md) {
      leaveForRepository(md, here('..'), `${repository}/blob/main`)
      emptyHeadings(md)
    },
  },
  transformPageData: describePage(here('..')),
  themeConfig: {
    logo: '/icon.svg',
    nav: NAV,
    sidebar: sidebar(here('..')),
    outline: { level: [2, 3], label: 'On this page' },
    socialLinks: [{ icon: 'github', link: repository }],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Edit this page' },
    footer: { message: 'Apache-2.0. No cookies, no trackers, nothing loaded from elsewhere.' },
  },
  vite: {
    plugins: [runtimeWithoutFiles],
    worker: { format: 'es', plugins: () => [runtimeWithoutFiles] },
    publicDir: here('public'),
    resolve: {
      alias: [
        {
          find: 'onnxruntime-web/wasm',
          replacement: here('../../packages/core/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs'),
        },
        // The search of this site is Serotine's.
        { find: /^.*\/VPNavBarSearch\.vue$/, replacement: here('theme/SiteSearch.vue') },
      ],
    },
  },
})
