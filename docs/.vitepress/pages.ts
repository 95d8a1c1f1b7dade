import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DefaultTheme } from 'vitepress'
import entries from './entries.json' with { type: 'json' }

/** A page of docs/, without its ending, and what menus call it. */
export type Entry = readonly [page: string, title: string]

/** Every page, by what somebody is worried about. */
export const GROUPS: readonly { readonly title: string; readonly entries: readonly Entry[] }[] = [
  {
    title: 'Start',
    entries: [
      ['getting-started', 'In five minutes'],
      ['packages', 'Which package do I need?'],
      ['install', 'Installing'],
      ['cli', 'Command line'],
    ],
  },
  {
    title: 'Guides',
    entries: [
      ['indexes', 'Indexes'],
      ['chunking', 'Chunking'],
      ['hybrid', 'Hybrid search'],
      ['first-stages', 'First stages'],
      ['scores', 'Scores'],
      ['models', 'Models'],
      ['evaluation', 'Evaluation'],
      ['durability', 'Durability'],
      ['codecs', 'Codecs'],
      ['workers', 'Workers'],
      ['offline', 'Offline'],
    ],
  },
  {
    title: 'Frameworks',
    entries: [
      ['langchain', 'LangChain.js'],
      ['llamaindex', 'LlamaIndex.TS'],
      ['ai-sdk', 'AI SDK and Mastra'],
      ['mcp', 'Agents (MCP)'],
    ],
  },
  {
    title: 'Running it',
    entries: [
      ['server', 'Server'],
      ['deployment', 'Deployment'],
      ['bundlers', 'Bundlers and runtimes'],
      ['troubleshooting', 'Troubleshooting'],
    ],
  },
  {
    title: 'Stores',
    entries: [
      ['scale', 'Beyond one machine'],
      ['pgvector', 'PostgreSQL (pgvector)'],
      ['weaviate', 'Weaviate'],
      ['stores', 'A store of your own'],
      ['recipes/pgvector', 'A pgvector table of yours'],
      ['recipes/qdrant', 'Qdrant'],
      ['recipes/chroma', 'Chroma'],
      ['recipes/lancedb', 'LanceDB'],
    ],
  },
  {
    title: 'Coming from',
    entries: [
      ['coming-from/pylate', 'PyLate'],
      ['coming-from/ragatouille', 'RAGatouille'],
      ['coming-from/cohere-rerank', 'Cohere rerank'],
      ['comparison', 'Comparison with others'],
    ],
  },
  {
    title: 'Research',
    entries: [
      ['research/first-stages-compared', 'First stages compared'],
      ['research/muvera', 'MUVERA'],
      ['parity', 'Parity with PyLate'],
      ['site-search', 'How this site searches'],
    ],
  },
]

export const NAV: DefaultTheme.NavItem[] = [
  { text: 'Start', link: '/getting-started' },
  { text: 'Guides', link: '/indexes' },
  { text: 'Server', link: '/server' },
  { text: 'Models', link: '/models' },
  { text: 'Reference', link: '/reference/', activeMatch: '/reference/' },
]

/** Menus of the pages that are there, and of the reference. @param docs the folder of the pages */
export function sidebar(docs: string): DefaultTheme.SidebarMulti {
  const there = ([page]: Entry): boolean => existsSync(join(docs, `${page}.md`))
  const groups = GROUPS.map(({ title, entries }) => ({
    text: title,
    items: entries.filter(there).map(([page, text]) => ({ text, link: `/${page}` })),
  }))
  const reference = Object.keys(entries).map((name) => ({ text: name, link: `/reference/${name}` }))
  return {
    '/': groups.filter(({ items }) => items.length > 0),
    '/reference/': [{ text: 'Reference', items: reference }],
  }
}
