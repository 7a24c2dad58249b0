// What the pages say, held against the code.
import { posix } from 'node:path'
import { nameOf, nodesOf, type Module, type Node } from './module.ts'
import { isProduct, type TextFile } from './tree.ts'

export const isPage = ({ path }: TextFile): boolean => path.endsWith('.md')

/** Names of variables as they are read: in quotes, or as a key. Error codes look alike and are told apart by `others`. */
const variable =
  /(?<=')((?:FLOTILLA|KAFKA|SCHEMA|REDIS|DATABASE|OTEL|LOG|HTTP|HTTPS|NO|OLLAMA|LOCAL)_[A-Z_]+|PORT|HOST)(?=')|\b((?:FLOTILLA|KAFKA|SCHEMA|REDIS|DATABASE|OTEL|LOG)_[A-Z_]+|PORT|HOST)(?=:)/g

/** Environment variables that the product names. */
export function variablesOf(files: readonly TextFile[], others: ReadonlySet<string>): string[] {
  const found = files
    .filter(({ path }) => isProduct(path))
    .flatMap(({ text }) => [...text.matchAll(variable)].map(([name]) => name))
  return [...new Set(found)].filter((name) => !others.has(name)).sort()
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
  // `npm run build:console` makes console/built.
  const folders =
    'schemas|services|runtime|api|cli|client|console(?!/built)|operator|evaluation|deploy|test|bench|examples|docs'
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
