// The pages of the site: docs/README.md, every page that can be reached from it by links, and the files and folders of
// the repository that these link to.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mapLinks } from './links.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const entry = 'docs/README.md'

export interface SitePage {
  /** From the root of the repository. */
  readonly source: string
  /** From the root of the site; ends with `.md` unless it is a file that is no page. */
  readonly path: string
  readonly text: string
}

export interface Site {
  readonly pages: readonly SitePage[]
  /** Paths from the root of the repository. */
  readonly images: readonly string[]
  /** `page: link`, of those that lead nowhere. */
  readonly dead: readonly string[]
}

/** Where a document of the repository is on the site: pages by what they are about, other files under `source/`. */
export function sitePath(source: string): string {
  if (source === entry) return 'contents.md'
  if (source === 'README.md') return 'start.md'
  if (!source.endsWith('.md')) return `source/${source}.txt`
  const path = source.replace(/^docs\//, '').replace(/(^|\/)README\.md$/, '$1index.md')
  return path.includes('/') ? path : path.toLowerCase()
}

const isImage = (path: string): boolean => /\.(png|svg|jpg)$/.test(path)

/** Reads the repository; nothing is written. */
export function collectSite(): Site {
  const pages = new Map<string, SitePage>()
  const images = new Set<string>()
  const dead: string[] = []
  const waiting = [entry]
  const follow = (from: string, link: string): string | null => {
    const [target = '', anchor] = link.split('#')
    const source = target === '' ? from : documentAt(posix.join(posix.dirname(from), target))
    if (source === null) dead.push(`${from}: ${link}`)
    if (source === null) return null
    if (isImage(source)) return images.add(source) && `/images/${posix.basename(source)}`
    waiting.push(source)
    return `/${sitePath(source)}${anchor === undefined ? '' : `#${anchor}`}`
  }
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    if (pages.has(source)) continue
    const text = isPage(source)
      ? mapLinks(readFileSync(join(root, source), 'utf8'), (link) => follow(source as string, link))
      : shownFile(source)
    pages.set(source, { source, path: sitePath(source), text })
  }
  return { pages: [...pages.values()], images: [...images], dead }
}

const isPage = (source: string): boolean => source.endsWith('.md')

/** A folder is its README if it has one. Null if there is nothing. */
function documentAt(path: string): string | null {
  const plain = path.replace(/\/$/, '')
  if (!existsSync(join(root, plain))) return null
  const readme = posix.join(plain, 'README.md')
  return existsSync(join(root, readme)) ? readme : plain
}

/** As plain text: a browser shows it as it is, and the site does not grow by a coloured copy of the sources. */
function shownFile(source: string): string {
  const path = join(root, source)
  if (!statSync(path).isDirectory()) return readFileSync(path, 'utf8')
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => posix.join(source, posix.relative(path, posix.join(file.parentPath, file.name))))
  return `${files.toSorted().join('\n')}\n`
}

export interface Section {
  readonly title: string
  readonly pages: readonly { readonly title: string; readonly source: string }[]
}

/** The tables of docs/README.md: its headings are kinds of readers, its rows their pages. */
export function sections(): Section[] {
  const [, ...parts] = readFileSync(join(root, entry), 'utf8').split(/^## /m)
  return parts.map((part) => ({
    title: part.slice(0, part.indexOf('\n')),
    pages: [...part.matchAll(/^\| \[([^\]]+)\]\(([^)]+)\)/gm)].map(([, title = '', link = '']) => ({
      title: title.charAt(0).toUpperCase() + title.slice(1),
      source: posix.join(posix.dirname(entry), link),
    })),
  }))
}
