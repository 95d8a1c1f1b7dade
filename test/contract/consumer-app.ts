import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface AppOptions {
  /** Serotine's packages the app installed, by folder name. They are copied, so that they find the app's frameworks. */
  packages: readonly string[]
  /** Name in the app → name in this repository's node_modules, e.g. `{ '@langchain/core': 'langchain-core-oldest' }`. */
  frameworks: Readonly<Record<string, string>>
  /** The same, below one of Serotine's packages: what a package manager does when versions do not agree. */
  nested?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** An app in a folder of its own, as a user's package manager would lay it out. */
export class ConsumerApp {
  readonly folder = mkdtempSync(join(tmpdir(), 'serotine-app-'))

  constructor({ packages, frameworks, nested = {} }: AppOptions) {
    writeFileSync(join(this.folder, 'package.json'), '{ "private": true, "type": "module" }')
    for (const name of packages) {
      const source = join(root, 'packages', name)
      if (!existsSync(join(source, 'dist')))
        throw new Error(`packages/${name}/dist is missing: run npm run build first.`)
      const target = join(this.folder, 'node_modules/@serotine', name)
      cpSync(source, target, { recursive: true, filter: (path) => !path.includes('node_modules') })
      link(nested[name] ?? {}, join(target, 'node_modules'))
    }
    link(
      { '@serotine/core': '@serotine/core', '@types/node': '@types/node', ...frameworks },
      join(this.folder, 'node_modules'),
    )
  }

  /** Runs a script of the app in a fresh Node and gives what it printed. A failure or an unhandled rejection throws. */
  run(name: string, source: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, source)
    return execFileSync(process.execPath, ['--unhandled-rejections=strict', path], {
      cwd: this.folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** The compiler's complaints about files of the app. */
  check(files: Readonly<Record<string, string>>): string[] {
    const paths = Object.entries(files).map(([name, source]) => {
      const path = join(this.folder, name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, source)
      return path
    })
    const program = ts.createProgram(paths, {
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      types: ['node'],
      typeRoots: [join(this.folder, 'node_modules/@types')],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      skipLibCheck: true,
      noEmit: true,
    })
    return ts
      .getPreEmitDiagnostics(program)
      .map(
        ({ file, messageText }) =>
          `${file?.fileName.slice(this.folder.length + 1) ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
      )
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function link(names: Readonly<Record<string, string>>, modules: string): void {
  for (const [name, installed] of Object.entries(names)) {
    const target = join(modules, name)
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(realpathSync(join(root, 'node_modules', installed)), target, 'junction')
  }
}
