import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

/** One place where a file names another module. */
export interface Import {
  readonly from: string
  readonly specifier: string
  /** Loaded when that line runs, not with the file. */
  readonly dynamic: boolean
  /** Gone when the program runs. */
  readonly typeOnly: boolean
}

/** TypeScript files of a folder and of the folders in it. */
export function sourcesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? sourcesBelow(path) : entry.name.endsWith('.ts') ? [path] : []
  })
}

export function importsOf(path: string): Import[] {
  return importsIn(path, readFileSync(path, 'utf8'))
}

/** Every way to name a module that TypeScript has, as its own parser sees them. */
export function importsIn(from: string, text: string): Import[] {
  const found: Import[] = []
  const add = (module: ts.Node | undefined, kind: { dynamic?: boolean; typeOnly?: boolean } = {}): void => {
    if (module && ts.isStringLiteralLike(module))
      found.push({ from, specifier: module.text, dynamic: kind.dynamic ?? false, typeOnly: kind.typeOnly ?? false })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, { typeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword })
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, { typeOnly: node.isTypeOnly })
    } else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      add(node.moduleReference.expression, { typeOnly: node.isTypeOnly })
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, { typeOnly: true })
    } else if (ts.isCallExpression(node)) {
      const { expression, arguments: given } = node
      if (expression.kind === ts.SyntaxKind.ImportKeyword) add(given[0], { dynamic: true })
      if (ts.isIdentifier(expression) && expression.text === 'require') add(given[0])
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(from, text, ts.ScriptTarget.Latest))
  return found
}

/** The file that a relative import means; undefined for a package. @throws when there is no such file */
export function targetOf({ from, specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const path = join(dirname(from), specifier)
  // AssemblyScript's imports have no extension.
  const target = [path.replace(/\.js$/, '.ts'), `${path}.ts`, path].find((candidate) => existsSync(candidate))
  if (target === undefined) throw new Error(`${from} imports ${specifier}, and there is no such file.`)
  return target
}

/**
 * For each group of files that reach each other, one shortest way round: `[a, b, a]`.
 *
 * @param graph each file and the files that it imports
 */
export function circlesIn(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const done = new Set<string>()
  const circles: string[][] = []
  for (const file of graph.keys()) {
    if (done.has(file)) continue
    const circle = wayRound(graph, file)
    if (!circle) continue
    circles.push(circle)
    // The rest of the group would be reported once for each of its files.
    const back = reachedFrom(reversed(graph), file)
    for (const other of reachedFrom(graph, file)) if (back.has(other)) done.add(other)
  }
  return circles
}

function wayRound(graph: ReadonlyMap<string, readonly string[]>, file: string): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [file]
  for (const at of queue) {
    for (const next of graph.get(at) ?? []) {
      if (next === file) {
        const way = [file]
        for (let step = at; step !== file; step = cameFrom.get(step)!) way.unshift(step)
        return [file, ...way]
      }
      if (cameFrom.has(next)) continue
      cameFrom.set(next, at)
      queue.push(next)
    }
  }
  return undefined
}

function reachedFrom(graph: ReadonlyMap<string, readonly string[]>, file: string): Set<string> {
  const reached = new Set([file])
  for (const at of reached) for (const next of graph.get(at) ?? []) reached.add(next)
  return reached
}

function reversed(graph: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  const back = new Map<string, string[]>()
  for (const [file, targets] of graph)
    for (const target of targets) back.set(target, [...(back.get(target) ?? []), file])
  return back
}
