// What the search of the site reads: passages of all pages with their token vectors, and the embedded model as a browser can run it.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { splitPassages } from 'serotine'
import { githubSlug } from './github-slug.mjs'

/** Tokens of a passage: short enough to say where something stands. */
const PASSAGE_TOKENS = 120
/** Every other vector is enough, and half as much to load. */
const POOL_FACTOR = 2

/**
 * Writes `passages.json`, `vectors.bin` and the model's files, which are gzipped (and not called so, lest a host unpack them by itself).
 *
 * @param docs folder of the pages
 * @param out where to
 */
export async function writeSearch(docs, out) {
  const { ColBERT } = await import('@serotine/core')
  const { encodeRecord } = await import('@serotine/core/store')
  const model = await ColBERT.load()
  const overhead = model.documentInput('').ids.length
  const countTokens = (text) => model.documentInput(text).ids.length - overhead
  const passages = pagesBelow(docs).flatMap((page) =>
    passagesOf(page, readFileSync(join(docs, page), 'utf8'), countTokens),
  )
  const texts = passages.map(({ title, heading, text }) => [title, heading, text].filter(Boolean).join('\n'))
  const encoded = await model.encodeDocuments(texts, { poolFactor: POOL_FACTOR })
  const files = {
    'vectors.bin': Buffer.concat(encoded.map((matrix) => encodeRecord('int8', matrix))),
    ...(await modelFiles(ColBERT, model)),
  }
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const version = createHash('sha256')
  const sizes = {}
  for (const [name, bytes] of Object.entries(files)) {
    const packed = name === 'runtime.bin' ? bytes : gzipSync(bytes, { level: 9 })
    writeFileSync(join(out, name), packed)
    version.update(packed)
    sizes[name] = packed.length
  }
  const contents = {
    dim: model.dim,
    config: model.config,
    files: sizes,
    version: version.digest('hex').slice(0, 12),
    passages: passages.map((passage, i) => ({ ...passage, vectors: encoded[i].length })),
  }
  writeFileSync(join(out, 'passages.json'), JSON.stringify(contents))
  await model.close()
}

/** The network, its weights, the tokenizer's two files, and ONNX Runtime. */
async function modelFiles(ColBERT, { folder }) {
  let graph
  // What a build for browsers is given to run is what a browser has to be given.
  const recorder = {
    env: { versions: { web: 'recorder' } },
    Tensor() {},
    InferenceSession: {
      async create(network, { externalData }) {
        graph = { network, externalData }
        return { inputNames: [], outputNames: [], release: async () => {} }
      },
    },
  }
  await (await ColBERT.load(folder, { ort: recorder })).close()
  const file = (name) => readFileSync(join(folder, name))
  return {
    'network.bin': Buffer.from(graph.network),
    'weights.bin': onlyFloats(graph.externalData),
    'tokenizer.bin': file('tokenizer.json'),
    'tokenizer-config.bin': file('tokenizer_config.json'),
    'runtime.bin': readFileSync(
      createRequire(import.meta.url).resolve('@serotine/core/ort-wasm-simd-threaded.wasm.gz'),
    ),
  }
}

/**
 * The file of weights, with zeros where it holds int8: those the network has as floats already. What is left at its place is
 * what the network refers to.
 */
function onlyFloats([{ path, data }, ...others]) {
  if (path !== 'model.safetensors' || others.length > 0)
    throw new Error('The embedded model has other files than it had.')
  const bytes = Buffer.from(data)
  const start = 8 + Number(bytes.readBigUInt64LE())
  for (const { dtype, data_offsets: range } of Object.values(JSON.parse(bytes.subarray(8, start)))) {
    if (dtype === 'I8') bytes.fill(0, start + range[0], start + range[1])
  }
  return bytes
}

function pagesBelow(docs) {
  return readdirSync(docs, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.md') && name !== 'index.md' && !/^(\.vitepress|reference)\//.test(name))
    .sort()
}

/** Passages of a page, each of one section. Tables of measurements are numbers, which nobody looks for. */
function passagesOf(page, markdown, countTokens) {
  const text = markdown.replace(/<!-- bench:[\s\S]*?<!-- \/bench:[\w-]+ -->|<!--[\s\S]*?-->/g, '')
  const [first, ...sections] = sectionsOf(text)
  const title = first.heading
  const of = { page: page.replace(/\.md$/, ''), title }
  return [{ ...first, heading: '', anchor: '' }, ...sections].flatMap(({ heading, anchor, body }) =>
    splitPassages(body, { maxTokens: PASSAGE_TOKENS, countTokens, markdown: true })
      .map((passage) => plain(passage.text))
      .filter((shown) => /\p{L}{3}/u.test(shown))
      .map((shown) => ({ ...of, anchor, heading, text: shown })),
  )
}

/** What stands under each heading. The anchors are GitHub's, as on the site. */
function sectionsOf(text) {
  const sections = []
  const taken = new Map()
  let inCode = false
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) inCode = !inCode
    const heading = inCode ? null : /^#{1,6} (.+)$/.exec(line)
    if (heading) {
      const said = plain(heading[1])
      const slug = githubSlug(said)
      const before = taken.get(slug) ?? 0
      taken.set(slug, before + 1)
      sections.push({ heading: said, anchor: before > 0 ? `${slug}-${before}` : slug, body: '' })
    } else if (sections.length > 0) sections.at(-1).body += `${line}\n`
  }
  return sections
}

/** Markdown as it reads. */
function plain(markdown) {
  return markdown
    .replace(/^```\w*$/gm, '')
    .replace(/^\|[ :|-]+\|$/gm, '')
    .replace(/^\| ?| ?\|$/gm, '')
    .replace(/ \| /g, ' · ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\*\*|(?<!`)`(?!`)/g, '')
    .replace(/^(#{1,6}|[-*]) /gm, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/\n\s*\n+/g, '\n')
    .trim()
}
