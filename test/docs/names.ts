import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { normalizeArguments } from '../../packages/cli/src/arguments.js'
import { createProgram } from '../../packages/cli/src/program.js'
import { createServer } from '../../packages/server/src/index.js'
import { served } from './mcp-tools.js'
import { ROOT } from './pages.js'

/** A backticked span, where it stands, and the folder that paths in it may be relative to. */
export interface Span {
  readonly file: string
  readonly line: number
  readonly text: string
}

/** The backticked spans of a Markdown page, outside its blocks. */
export function spansOfPage(file: string, text: string): Span[] {
  const prose = text.replace(/^```[\s\S]*?^```$|^<!--[\s\S]*?-->$/gm, (block) => block.replace(/[^\n]/g, ''))
  return spansIn(file, prose, 1)
}

/** The backticked spans of a source file's comments. */
export function spansOfComments(file: string, text: string): Span[] {
  return commentsOf(text).flatMap(({ start, comment }) => {
    const prose = comment.replace(/^[ \t]*\* ```[\s\S]*?^[ \t]*\* ```$/gm, '').replace(/\n[ \t]*\*[ \t]?/g, '\n ')
    return spansIn(file, prose, text.slice(0, start).split('\n').length)
  })
}

function spansIn(file: string, text: string, firstLine: number): Span[] {
  // `` ` `` holds a backtick; a paragraph ends what was not closed.
  return Array.from(text.matchAll(/(?<!`)(`+)(?!`)((?:(?!\n\s*\n)[\s\S])+?)(?<!`)\1(?!`)/g), (match) => ({
    file,
    line: firstLine + text.slice(0, match.index).split('\n').length - 1,
    text: match[2]!.replace(/\s+/g, ' '),
  }))
}

function commentsOf(text: string): { start: number; comment: string }[] {
  const comments: { start: number; comment: string }[] = []
  scan(text, (kind, start, end) => {
    if (kind === ts.SyntaxKind.SingleLineCommentTrivia || kind === ts.SyntaxKind.MultiLineCommentTrivia)
      comments.push({ start, comment: text.slice(start, end) })
  })
  return comments
}

/** The names that code defines or uses: identifiers, and the words of its strings. Comments do not count. */
export function namesInCode(text: string): string[] {
  const names: string[] = []
  scan(text, (kind, start, end) => {
    if (kind === ts.SyntaxKind.SingleLineCommentTrivia || kind === ts.SyntaxKind.MultiLineCommentTrivia) return
    names.push(...wordsOf(text.slice(start, end)))
  })
  return names
}

function scan(text: string, visit: (kind: ts.SyntaxKind, start: number, end: number) => void): void {
  const source = ts.createSourceFile('a.ts', text, ts.ScriptTarget.Latest, true)
  let at = 0
  const trivia = (until: number): void => {
    const scanner = ts.createScanner(
      ts.ScriptTarget.Latest,
      false,
      ts.LanguageVariant.Standard,
      text,
      undefined,
      at,
      until - at,
    )
    for (let kind = scanner.scan(); kind !== ts.SyntaxKind.EndOfFileToken; kind = scanner.scan())
      visit(kind, scanner.getTokenStart(), scanner.getTokenEnd())
  }
  // Leaves in order; what lies between them is trivia. (The scanner alone takes a regular expression for a division.)
  const walk = (node: ts.Node): void => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return
    const children = node.getChildren(source)
    if (children.length > 0) return children.forEach(walk)
    const start = node.getStart(source, false)
    trivia(start)
    visit(node.kind, start, node.end)
    at = node.end
  }
  walk(source)
}

/** Paths of a span that are ours to keep right: with a folder, and an ending that models and collections do not use. */
const OUR_PATH = /(?<![\w@.-])(?:[\w.-]+\/)+[\w.-]+\.(?:md|mjs|ts|html)\b/g

/** Packages of ours, or that pretend to be. */
const OUR_PACKAGE = /@serotine\/[\w-]+/g

/** What a span names: packages, paths of the repository, words that may be identifiers (of two letters or more), and flags as a whole. */
export function namesIn(span: Span): string[] {
  if (isPath(span.text, span.file)) return []
  const missing = (span.text.match(OUR_PATH) ?? []).filter((path) => !isPath(path, span.file))
  const packages = span.text.match(OUR_PACKAGE) ?? []
  const words = wordsOf(span.text.replace(OUR_PATH, '').replace(OUR_PACKAGE, ''))
  return [...missing, ...packages, ...words].map((name) =>
    name.startsWith('--') ? normalizeArguments([name], FLAGS)[0]! : name,
  )
}

export function wordsOf(text: string): string[] {
  return Array.from(text.matchAll(/(?<![\w-])--[a-zA-Z][\w-]*|[\p{L}_$][\p{L}\d_$]+/gu), ([word]) => word)
}

/** Files below a folder whose path from the root matches, sorted. */
export function filesBelow(folder: string, matching: RegExp): string[] {
  const found: string[] = []
  const walk = (path: string): void => {
    for (const entry of readdirSync(join(ROOT, path), { withFileTypes: true })) {
      const below = `${path}/${entry.name}`
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules') walk(below)
      } else if (matching.test(below)) found.push(below)
    }
  }
  walk(folder)
  return found.sort()
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const COMMANDS = createProgram({ helpAll: true })
/** Every flag, with its opposite. */
const FLAGS: ReadonlySet<string> = new Set(
  [COMMANDS, ...COMMANDS.commands].flatMap(({ options }) =>
    options.flatMap(({ long, negate }) =>
      long ? [long, negate ? long.replace('--no-', '--') : long.replace('--', '--no-')] : [],
    ),
  ),
)

/** What a user can name: the published types with their strings, the command line, packages and their files. */
export function publishedNames(): Set<string> {
  const names = new Set<string>()
  for (const file of filesBelow('packages', /^packages\/[^/]+\/dist\/.*\.d\.ts$/))
    namesInCode(read(file)).forEach((name) => names.add(name))
  FLAGS.forEach((flag) => names.add(flag))
  const create = 'packages/create-serotine'
  for (const [flag] of read(`${create}/src/program.ts`).matchAll(/--[a-z][a-z-]+/g)) names.add(flag)
  for (const { name } of JSON.parse(read(`${create}/templates.json`)) as { name: string }[])
    wordsOf(name).forEach((word) => names.add(word))
  for (const command of [COMMANDS, ...COMMANDS.commands]) {
    wordsOf(command.name()).forEach((word) => names.add(word))
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    wordsOf(help).forEach((word) => names.add(word))
  }
  for (const file of filesBelow('packages', /^packages\/[^/]+\/package\.json$/)) {
    names.add((JSON.parse(read(file)) as { name: string }).name)
    wordsOf(read(file)).forEach((word) => names.add(word))
  }
  return names
}

/** What a program or an agent that asks the server can name: methods, paths and fields of the OpenAPI description, tools and theirs. */
export async function servedNames(): Promise<Set<string>> {
  const names = new Set<string>()
  const response = await createServer().fetch(new Request('http://localhost/openapi.json'))
  const { paths } = (await response.json()) as { paths: Record<string, Record<string, object>> }
  const fields = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const { properties } = value as { properties?: object }
    for (const name of Object.keys(properties ?? {})) names.add(name)
    Object.values(value).forEach(fields)
  }
  for (const [path, methods] of Object.entries(paths)) {
    wordsOf(path).forEach((word) => names.add(word))
    for (const method of Object.keys(methods)) names.add(method.toUpperCase())
  }
  fields(paths)
  const { tools } = await served()
  fields(tools.map(({ inputSchema, outputSchema }) => [inputSchema, outputSchema]))
  for (const { name } of tools) names.add(name)
  return names
}

/** What the code and the manifest of an example name. @param folder `examples/<name>` */
export function exampleNames(folder: string): string[] {
  const files = filesBelow(folder, /\.([cm]?js|tsx?)$/)
  return [...files.flatMap((file) => namesInCode(read(file))), ...wordsOf(read(`${folder}/package.json`))]
}

/** What a contributor can name besides: everything in the code, tests, benchmarks and scripts. */
export function sourceNames(): Set<string> {
  const names = publishedNames()
  const code = ['packages', 'test', 'bench', 'examples', 'scripts']
  for (const file of code.flatMap((folder) => filesBelow(folder, /\.(ts|mjs)$/))) {
    // Nor what these very tests say.
    if (/\/dist\/|^test\/docs\//.test(file)) continue
    namesInCode(read(file)).forEach((name) => names.add(name))
  }
  wordsOf(read('package.json')).forEach((word) => names.add(word))
  return names
}

/** True for a path of the repository: from the root, from the file that names it, or below some folders. */
function isPath(text: string, file: string): boolean {
  if (!/^[\w@.*<>/-]+$/.test(text) || !/[./]/.test(text)) return false
  const places = [
    '',
    dirname(file),
    'packages/core/src',
    'packages/core/src/embedded',
    'packages/core/dist',
    'packages/server/src',
    'bench',
    'examples/demo',
    'training',
  ]
  return places.some((place) => existsSync(join(ROOT, place, text)))
}
