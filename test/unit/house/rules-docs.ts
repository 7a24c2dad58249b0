// What the pages say, held against the code.
import { posix } from 'node:path'
import { nameOf, nodesOf, type Module, type Node } from './module.ts'
import { isProduct, type TextFile } from './tree.ts'

export const isPage = ({ path }: TextFile): boolean => path.endsWith('.md')

/** Names of variables as they look when they are read; error codes look alike and are told apart by `others`. */
const variable =
  /^((FLOTILLA|KAFKA|SCHEMA|REDIS|DATABASE|OTEL|LOG|HTTP|HTTPS|NO|OLLAMA|LOCAL)_[A-Z_]+|PORT|HOST)$/

/** Environment variables that the product names, in a string or as a key. */
export function variablesOf(modules: readonly Module[], others: ReadonlySet<string>): string[] {
  const found = new Set<string>()
  for (const { program } of modules.filter(({ path }) => isProduct(path)))
    for (const node of nodesOf(program)) {
      const name = node.type === 'StringLiteral' ? nameOf(node) : nameOf(node['key'])
      if (name !== null && variable.test(name) && !others.has(name)) found.add(name)
    }
  return [...found].sort()
}

/** Names that the page does not have as code. */
export function missingFrom(page: string, names: Iterable<string>): string[] {
  const said = new Set([...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text))
  return [...names].filter((name) => !said.has(name))
}

/** Keys of an exported interface. */
export function keysOf({ program }: Module, name: string): string[] {
  const found = [...nodesOf(program)].find(
    (node) => node.type === 'TSInterfaceDeclaration' && nameOf(node['id']) === name,
  )
  const members = ((found?.['body'] as Node | undefined)?.['body'] ?? []) as Node[]
  return members.map((member) => nameOf(member['key'])).filter((key) => key !== null)
}

/** First cell → second cell, of every table row whose first cell is one piece of code. */
export function defaultsIn(page: string): Map<string, string> {
  const rows = page.matchAll(/^\| `([^`]+)` *\| *`?([^|`]*?)`? *\|/gm)
  return new Map([...rows].map(([, name = '', value = '']) => [name, value]))
}

/** Links and paths of the project that lead nowhere. `exists` takes a path from the root. */
export function deadLinks({ path, text }: TextFile, exists: (path: string) => boolean): string[] {
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link = '']) =>
    posix.join(posix.dirname(path), link),
  )
  const folders = 'schemas|services|runtime|cli|client|deploy|test|bench|examples|docs'
  const mentioned = [...text.matchAll(new RegExp(`\`((?:${folders})/[\\w./-]+)\``, 'g'))].map(
    ([, name = '']) => name,
  )
  return [...links, ...mentioned]
    .filter((target) => !exists(target))
    .map((target) => `${path} names ${target}`)
}

/** `<!-- path -->` before a block of code: the block is that file. */
export function snippetsIn(page: string): { path: string; code: string }[] {
  const blocks = page.matchAll(/<!-- ([\w./-]+) -->\s*```\w*\n([\s\S]*?)```/g)
  return [...blocks].map(([, path = '', code = '']) => ({ path, code }))
}
