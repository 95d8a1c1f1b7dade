// The readers against others of their kind, over the real pages and Markdown files of installed packages: the words of
// HTML against those Chromium shows (innerText), headings and sections of Markdown against micromark.
//
//   node bench/readers.mjs [--chromium /usr/bin/chromium] [--show] [folders…]
//
// Without folders it reads node_modules of this project. The committed result is of it and of a folder in which
// `npm install --ignore-scripts codemirror@5.65.20 npm@11.6.2 reveal.js@5.2.1 impress.js@1.1.0 mathjax@2.7.9 jquery-ui@1.14.1`
// was run, for the pages they bring.
import { readFile, readdir, realpath } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { frontmatterFromMarkdown } from 'mdast-util-frontmatter'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { toString as shownText } from 'mdast-util-to-string'
import { frontmatter } from 'micromark-extension-frontmatter'
import { gfm } from 'micromark-extension-gfm'
import { chromium } from 'playwright-core'
import { readTexts, splitPassages } from 'serotine'
import { environment, saveResult } from './environment.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { chromium: { type: 'string', default: '/usr/bin/chromium' }, show: { type: 'boolean', default: false } },
})
const folders = positionals.length > 0 ? positionals : [fileURLToPath(new URL('../node_modules', import.meta.url))]

/** Every file once, though packages are linked to each other. */
async function filesBelow(folder, endings, seen = new Set()) {
  const real = await realpath(folder)
  if (seen.has(real)) return []
  seen.add(real)
  const found = []
  for (const entry of await readdir(real, { withFileTypes: true })) {
    const path = join(real, entry.name)
    if (entry.isDirectory()) found.push(...(await filesBelow(path, endings, seen)))
    else if (entry.isFile() && endings.includes(extname(entry.name).toLowerCase())) found.push(path)
  }
  return found.sort()
}

/** `name@version` of the package a file belongs to. */
async function packageOf(path) {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = await readFile(join(folder, 'package.json'), 'utf8').then(JSON.parse, () => undefined)
    if (manifest?.name && manifest.version) return `${manifest.name}@${manifest.version}`
  }
  return 'no package'
}

async function compare(paths, judge) {
  const packages = new Set()
  const different = []
  let equal = 0
  let words = 0
  const seen = new Set()
  for (const path of paths) {
    const bytes = await readFile(path)
    const key = bytes.toString('base64')
    // Many packages bring the same file along.
    if (seen.has(key)) continue
    seen.add(key)
    const verdict = await judge(path, bytes)
    const name = await packageOf(path)
    packages.add(name)
    words += verdict.words
    if (verdict.difference === undefined) equal++
    else different.push({ file: `${name}: ${basename(path)}`, ...verdict.difference })
    if (values.show && verdict.difference) console.log(path, JSON.stringify(verdict.difference))
  }
  return { files: seen.size, packages: [...packages].sort(), words, equal, different }
}

// HTML -------------------------------------------------------------------------------------------------------------

/** Marks of headings and items are ours, and not told from the same characters in a page. */
const wordsOf = (text) =>
  text
    .split('\n')
    .map((line) => line.replace(/^\s*(?:#{1,6} |- |-?\d+\. )/, ''))
    .join('\n')
    .split(/\s+/)
    .filter(Boolean)

/** Makes the page show what the reader shows on purpose, and hides what it leaves out on purpose. Runs in the browser. */
function prepare() {
  const all = (selector) => document.querySelectorAll(selector)
  const put = (element, text) => element.replaceWith(document.createTextNode(text ? ` ${text} ` : ' '))
  // Style sheets are not read; a page without scripting would show `noscript`.
  for (const element of all('style, link, noscript')) element.remove()
  if ([...all('nav')].length > 0) {
    const others = document.body.cloneNode(true)
    for (const nav of others.querySelectorAll('nav')) nav.remove()
    if (others.textContent.trim() !== '') for (const nav of all('nav')) nav.remove()
  }
  for (const element of all('details, dialog')) element.setAttribute('open', '')
  for (const element of all('img, input[type=image]')) put(element, element.getAttribute('alt'))
  for (const element of all('textarea')) {
    const lines = document.createElement('pre')
    lines.textContent = element.value
    element.replaceWith(lines)
  }
  for (const element of all('input')) {
    const isText = !['checkbox', 'color', 'file', 'hidden', 'password', 'radio', 'range'].includes(element.type)
    put(element, isText && element.getAttribute('value'))
  }
  for (const element of all('button')) element.replaceWith(' ', ...element.childNodes, ' ')
  return document.body ? document.body.innerText : document.documentElement.textContent
}

function firstDifference(ours, theirs) {
  const at = ours.findIndex((word, i) => word !== theirs[i])
  const from = at === -1 ? Math.min(ours.length, theirs.length) : at
  if (from === ours.length && from === theirs.length) return undefined
  const around = (list) =>
    list
      .slice(Math.max(0, from - 3), from + 6)
      .join(' ')
      .slice(0, 160)
  return { word: from, ours: around(ours), theirs: around(theirs) }
}

/** What the reader does not do, where the page needs it. */
function whyDifferent(html) {
  if (/style\s*=\s*["'][^"']*visibility\s*:\s*hidden/i.test(html)) return 'hidden by an inline "visibility"'
  if (/<math\b/i.test(html)) return 'MathML, read as plain text'
  return 'not explained'
}

async function comparePages(paths) {
  const browser = await chromium.launch({ executablePath: values.chromium, args: ['--no-sandbox'] })
  const context = await browser.newContext({ javaScriptEnabled: false, offline: true })
  const page = await context.newPage()
  const result = await compare(paths, async (path, bytes) => {
    const texts = []
    for await (const { text } of readTexts([path], { split: false })) texts.push(text)
    const ours = wordsOf(texts.join('\n'))
    await page.goto(pathToFileURL(path).href, { waitUntil: 'domcontentloaded' })
    const theirs = wordsOf(await page.evaluate(prepare))
    const difference = firstDifference(ours, theirs)
    return {
      words: theirs.length,
      difference: difference && { why: whyDifferent(bytes.toString('latin1')), ...difference },
    }
  })
  const version = browser.version()
  await browser.close()
  return { against: `Chromium ${version}, innerText`, ...result }
}

// Markdown ---------------------------------------------------------------------------------------------------------

/** A passage for each block: each counts as if it filled one. */
const FULL = 1e9

const titleOf = (text) => text.replace(/\s+/g, ' ').trim()

/** The path of headings from each line on where it changes. */
function sectionsOf(text) {
  const path = []
  const extensions = [gfm(), frontmatter(['yaml', 'toml'])]
  const mdastExtensions = [gfmFromMarkdown(), frontmatterFromMarkdown(['yaml', 'toml'])]
  return fromMarkdown(text, { extensions, mdastExtensions })
    .children.filter(({ type }) => type === 'heading')
    .map((heading) => {
      path.length = Math.min(path.length, heading.depth - 1)
      while (path.length < heading.depth - 1) path.push('')
      path.push(titleOf(shownText(heading, { includeHtml: false })))
      return { start: heading.position.start.offset, path: path.filter(Boolean).join(' › ') }
    })
}

async function compareMarkdown(paths) {
  const result = await compare(paths, async (_, bytes) => {
    const text = bytes.toString('utf8').replace(/^\ufeff/, '')
    const blocks = splitPassages(text, { markdown: true, maxTokens: FULL, countTokens: () => FULL })
    const sections = sectionsOf(text)
    let next = 0
    for (const { charStart, heading = '' } of blocks) {
      while (next < sections.length && sections[next].start <= charStart) next++
      const theirs = sections[next - 1]?.path ?? ''
      if (theirs !== heading) return { words: blocks.length, difference: { at: charStart, ours: heading, theirs } }
    }
    const unseen = sections.find(({ start }) => !blocks.some(({ charStart }) => charStart === start))
    if (unseen) return { words: blocks.length, difference: { at: unseen.start, ours: 'no block', theirs: unseen.path } }
    return { words: blocks.length }
  })
  const { words: blocks, packages, ...others } = result
  return { against: 'micromark with GFM (mdast-util-from-markdown)', packages: packages.length, blocks, ...others }
}

const htmlFiles = []
const markdownFiles = []
const seen = { html: new Set(), markdown: new Set() }
for (const folder of folders) {
  htmlFiles.push(...(await filesBelow(folder, ['.html', '.htm'], seen.html)))
  markdownFiles.push(...(await filesBelow(folder, ['.md', '.markdown'], seen.markdown)))
}
const markdown = await compareMarkdown(markdownFiles)
const html = await comparePages(htmlFiles)
for (const [name, { files, equal, different, against }] of Object.entries({ html, markdown }))
  console.log(`${name}: ${files} files, ${equal} equal, ${different.length} different (${against})`)
const { command: _, ...about } = await environment()
await saveResult('readers', { kind: 'readers', ...about, command: 'node bench/readers.mjs', html, markdown })
