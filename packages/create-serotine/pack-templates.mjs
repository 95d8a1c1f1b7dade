// Writes dist/templates.json: each template with its files as text, or in Base64 where they are none. One file, because npm leaves out a `.gitignore` of its own accord.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ignore from 'ignore'

const here = fileURLToPath(new URL('.', import.meta.url))
const examples = join(here, '../../examples')
/** Templates are small. */
const MOST_BYTES = 400_000

/** What git would take of a folder, by its own `.gitignore`. */
function filesOf(folder) {
  // Texts are read line by line, lists are not.
  const rules = ignore()
    .add('node_modules/')
    .add(readFileSync(join(folder, '.gitignore'), 'utf8'))
  const below = (path) =>
    readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      const name = relative(folder, join(path, entry.name)).replaceAll('\\', '/')
      if (rules.ignores(entry.isDirectory() ? `${name}/` : name)) return []
      return entry.isDirectory() ? below(join(path, entry.name)) : [name]
    })
  return below(folder).sort()
}

function contentOf(path) {
  const bytes = readFileSync(path)
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? text : { base64: bytes.toString('base64') }
}

const templates = JSON.parse(readFileSync(join(here, 'templates.json'), 'utf8')).map(({ name, folder, about }) => {
  const files = Object.fromEntries(
    filesOf(join(examples, folder)).map((path) => [path, contentOf(join(examples, folder, path))]),
  )
  const bytes = Buffer.byteLength(JSON.stringify(files))
  if (bytes > MOST_BYTES)
    throw new Error(`examples/${folder} has ${bytes} bytes; a template has ${MOST_BYTES} at most.`)
  return { name, about, files }
})
writeFileSync(join(here, 'dist/templates.json'), JSON.stringify(templates))
