// One TypeScript module as the rules see it: what it imports, what it exports, and its syntax tree.
//
// TypeScript 7 has no programming interface; prettier's own parser (Babel) reads TypeScript and is installed anyway.
import { posix } from 'node:path'
import type { ParserOptions } from 'prettier'
import { parsers } from 'prettier/plugins/babel'
import type { TextFile } from './tree.ts'

export interface Node {
  readonly type: string
  readonly loc?: { readonly start: { readonly line: number }; readonly end: { readonly line: number } }
  readonly [field: string]: unknown
}

export interface Import {
  /** As written. */
  readonly specifier: string
  /** Path from the root of what a relative specifier names; null for packages. */
  readonly target: string | null
  /** Imported names; `*` for all of them. */
  readonly names: readonly string[]
  /** Erased before it runs. */
  readonly typeOnly: boolean
  /** import(…), or new URL(…, import.meta.url): a module started elsewhere. */
  readonly dynamic: boolean
  readonly line: number
}

export interface Export {
  readonly name: string
  readonly line: number
}

export interface Module extends TextFile {
  readonly program: Node
  readonly imports: readonly Import[]
  readonly exports: readonly Export[]
}

export function parseModule({ path, text }: TextFile): Module {
  const file = parsers['babel-ts'].parse(text, { filepath: path } as ParserOptions) as { program: Node }
  const body = file.program['body'] as Node[]
  const imports = [...body.flatMap((node) => declared(path, node)), ...dynamicImports(path, file.program)]
  return { path, text, program: file.program, imports, exports: body.flatMap(exported) }
}

/** Every node of the tree, parents first. */
export function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodesOf(item)
  else if (isNode(value)) {
    yield value
    for (const [field, child] of Object.entries(value))
      if (typeof child === 'object' && !field.endsWith('omments')) yield* nodesOf(child)
  }
}

export const lineOf = (node: Node): number => node.loc?.start.line ?? 0

/** What stands before the first statement: where a file says what it is. */
export function headerOf(text: string): string {
  return /^(?:\s|\/\/.*\n|\/\*[\s\S]*?\*\/)*/.exec(text)?.[0] ?? ''
}

export function nameOf(node: unknown): string | null {
  if (!isNode(node)) return null
  if (node.type === 'Identifier') return node['name'] as string
  return node.type === 'StringLiteral' ? (node['value'] as string) : null
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'

const nodes = (value: unknown): Node[] => (Array.isArray(value) ? value.filter(isNode) : [])

function edge(path: string, specifier: string, rest: Omit<Import, 'specifier' | 'target'>): Import {
  const target = /^\.\.?\//.test(specifier) ? posix.join(posix.dirname(path), specifier) : null
  return { specifier, target, ...rest }
}

/** `import … from`, and `export … from`, which imports too. */
function declared(path: string, node: Node): Import[] {
  const specifier = nameOf(node['source'])
  if (specifier === null) return []
  const specifiers = nodes(node['specifiers'])
  const typeOnly =
    [node['importKind'], node['exportKind']].includes('type') ||
    (specifiers.length > 0 && specifiers.every((each) => each['importKind'] === 'type'))
  const names = node.type === 'ExportAllDeclaration' ? ['*'] : specifiers.map(importedName)
  return [edge(path, specifier, { names, typeOnly, dynamic: false, line: lineOf(node) })]
}

function importedName(specifier: Node): string {
  if (specifier.type === 'ImportDefaultSpecifier') return 'default'
  if (specifier.type === 'ImportSpecifier') return nameOf(specifier['imported']) ?? '*'
  return specifier.type === 'ExportSpecifier' ? (nameOf(specifier['local']) ?? '*') : '*'
}

function dynamicImports(path: string, program: Node): Import[] {
  const found: Import[] = []
  for (const node of nodesOf(program)) {
    const args = nodes(node['arguments'])
    const callee = node['callee'] as Node | undefined
    const isImport = node.type === 'ImportExpression' || callee?.type === 'Import'
    const isUrl = node.type === 'NewExpression' && nameOf(callee) === 'URL' && args.length === 2
    const source = (node['source'] ?? args[0]) as Node | undefined
    if (source?.type !== 'StringLiteral') continue
    const specifier = source['value'] as string
    if (isImport || (isUrl && specifier.endsWith('.ts')))
      found.push(edge(path, specifier, { names: ['*'], typeOnly: false, dynamic: true, line: lineOf(node) }))
  }
  return found
}

function exported(node: Node): Export[] {
  const line = lineOf(node)
  if (node.type === 'ExportDefaultDeclaration') return [{ name: 'default', line }]
  if (node.type !== 'ExportNamedDeclaration') return []
  const names = nodes(node['specifiers']).map((each) => nameOf(each['exported']))
  return [...names, ...declaredNames(node['declaration'])]
    .filter((name) => name !== null)
    .map((name) => ({ name, line }))
}

function declaredNames(declaration: unknown): (string | null)[] {
  if (!isNode(declaration)) return []
  if (declaration.type !== 'VariableDeclaration') return [nameOf(declaration['id'])]
  return nodes(declaration['declarations']).flatMap(({ id }) => {
    const pattern = id as Node
    if (pattern.type !== 'ObjectPattern') return [nameOf(pattern)]
    return nodes(pattern['properties']).map((property) => nameOf(property['value']))
  })
}
