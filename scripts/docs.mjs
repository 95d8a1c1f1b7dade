// The documentation as a site: docs/ and a reference made of the sources, put together by VitePress.
//
//   node scripts/docs.mjs dev                    the site while it is written
//   node scripts/docs.mjs build [--out folder]   the site as files, in docs/.vitepress/dist
//   node scripts/docs.mjs serve                  the files that were built
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeSearch } from './docs-search.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const docs = join(root, 'docs')

/** What programs import: its source, and what it is. */
const ENTRIES = JSON.parse(readFileSync(join(docs, '.vitepress/entries.json'), 'utf8'))

/** Writes docs/reference: a page for each entry. */
async function writeReference() {
  const { Application } = await import('typedoc')
  const out = join(docs, 'reference')
  const app = await Application.bootstrapWithPlugins({
    name: 'Reference',
    entryPoints: Object.values(ENTRIES).map(({ source }) => join(root, 'packages', source)),
    tsconfig: join(root, 'tsconfig.json'),
    plugin: ['typedoc-plugin-markdown'],
    out,
    entryFileName: 'index',
    router: 'module',
    readme: 'none',
    // `npm run typecheck` is there for that.
    skipErrorChecking: true,
    excludeExternals: true,
    excludeInternal: true,
    excludePrivate: true,
    disableSources: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    // Its links count names otherwise than headings do.
    useHTMLAnchors: true,
    parametersFormat: 'table',
    propertyMembersFormat: 'table',
    interfacePropertiesFormat: 'table',
    classPropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    enumMembersFormat: 'table',
    logLevel: 'Warn',
  })
  const project = await app.convert()
  if (!project) throw new Error('TypeDoc could not read the sources.')
  const moduleOf = (file) => file.replace(/(\/index)?\.ts$/, '')
  for (const page of project.children) {
    page.name = Object.keys(ENTRIES).find((name) => moduleOf(ENTRIES[name].source) === page.name) ?? page.name
  }
  rmSync(out, { recursive: true, force: true })
  await app.generateOutputs(project)
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('The comments of the sources need a look.')
  const list = Object.entries(ENTRIES).map(([name, { about }]) => `- [${name}](${name}.md): ${about}`)
  writeFileSync(
    join(out, 'index.md'),
    `# Reference\n\nWhat each package exports, by what a program imports. Made of the sources.\n\n${list.join('\n')}\n`,
  )
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } })
const [command] = positionals
if (!['dev', 'build', 'serve'].includes(command)) {
  console.error('Usage: node scripts/docs.mjs dev | build [--out folder] | serve')
  process.exit(2)
}
const { build, createServer, serve } = await import('vitepress')
if (command === 'serve') {
  await serve({ root: docs })
} else {
  await writeReference()
  await writeSearch(docs, join(docs, '.vitepress/public/search'))
  if (command === 'build') await build(docs, values.out === undefined ? {} : { outDir: resolve(values.out) })
  else {
    const server = await createServer(docs)
    await server.listen()
    server.printUrls()
  }
}
