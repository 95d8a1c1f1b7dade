import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = fileURLToPath(new URL('./src/page/', import.meta.url))
const NAME = 'virtual:page'

/** The page as texts, so that the server is one bundle that reads no file: what `src/page/page-files.d.ts` declares. */
export function pageFiles() {
  return {
    name: 'page-files',
    resolveId: (id: string) => (id === NAME ? `\0${NAME}` : undefined),
    async load(this: { addWatchFile?: (path: string) => void }, id: string) {
      if (id !== `\0${NAME}`) return undefined
      const text = (name: string) => readFile(`${folder}${name}`, 'utf8')
      const bundle = (entry: string) =>
        build({
          entryPoints: [`${folder}${entry}`],
          bundle: true,
          write: false,
          minify: true,
          format: 'iife',
          target: ['es2022', 'chrome111', 'firefox113', 'safari16.4'],
          charset: 'utf8',
          // What the workspace says of itself is not for a browser.
          tsconfigRaw: {},
        })
      const [script, style] = await Promise.all([bundle('browser/main.ts'), bundle('page.css')])
      const files = {
        html: await text('page.html'),
        icon: await text('icon.svg'),
        script: script.outputFiles[0]!.text,
        style: style.outputFiles[0]!.text,
      }
      return Object.entries(files)
        .map(([name, value]) => `export const ${name} = ${JSON.stringify(value)}\n`)
        .join('')
    },
  }
}
