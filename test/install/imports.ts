// What a source file imports, read from its syntax tree: statically, dynamically, by require, and in types.
import { builtinModules } from 'node:module'
import typescript, { type Node } from 'typescript'

export function importsOf(source: string): string[] {
  const found: string[] = []
  const visit = (node: Node): void => {
    let specifier: Node | undefined
    if (typescript.isImportDeclaration(node) || typescript.isExportDeclaration(node)) specifier = node.moduleSpecifier
    else if (typescript.isImportTypeNode(node)) specifier = (node.argument as { literal?: Node }).literal
    else if (typescript.isCallExpression(node)) {
      const { expression } = node
      const calls = typescript.isIdentifier(expression) && expression.text === 'require'
      if (calls || expression.kind === typescript.SyntaxKind.ImportKeyword) specifier = node.arguments[0]
    }
    if (specifier !== undefined && typescript.isStringLiteralLike(specifier)) found.push(specifier.text)
    typescript.forEachChild(node, visit)
  }
  visit(typescript.createSourceFile('module.ts', source, typescript.ScriptTarget.Latest))
  return found
}

/** `@scope/name` or `name` of an import; nothing for a relative path and what Node brings. */
export function packageOf(specifier: string): string | undefined {
  if (/^(\.|\/|node:|#)/.test(specifier)) return undefined
  const [first, second] = specifier.split('/')
  const name = first!.startsWith('@') ? `${first}/${second}` : first!
  return builtinModules.includes(name) ? undefined : name
}
