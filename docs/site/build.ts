// The documentation as a site: pages of this repository, built by VitePress into plain files that any web server
// shows, without a request to another host.
//
//   node docs/site/build.ts [DIRECTORY]      default docs/dist; DOCS_BASE is the path it is served under, default /
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vitepress'
import { openApi } from '../../api/openapi.ts'
import { httpPages } from './http-pages.ts'
import { collectSite, root, sections, sitePath, type SitePage } from './pages.ts'

/** For programs; the pages name them. */
const downloads = ['docs/openapi.json', 'schemas/asyncapi.yaml']

/** Throws if a link of a page leads nowhere. `directory` is replaced. */
export async function buildSite(directory: string, base = '/'): Promise<void> {
  const { pages, images, dead } = collectSite()
  if (dead.length > 0) throw new Error(`links that lead nowhere:\n${dead.join('\n')}`)
  const staged = join(root, '.cache/site')
  rmSync(staged, { recursive: true, force: true })
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(staged, path)), { recursive: true })
    writeFileSync(join(staged, path), text)
  }
  const http = httpPages(openApi())
  for (const { path, text } of [...pages, ...http])
    if (path.endsWith('.md')) put(path, text)
    // The mark says that it is UTF-8, which servers leave out.
    else put(`public/${path}`, `\uFEFF${text}`)
  put('index.md', readFileSync(join(import.meta.dirname, 'home.md'), 'utf8'))
  for (const image of images) cpSync(join(root, image), join(staged, 'public/images', basename(image)))
  for (const file of downloads) cpSync(join(root, file), join(staged, 'public', basename(file)))
  put('.vitepress/config.mjs', configText(sidebar(pages, http), directory, base))
  put('.vitepress/theme/index.mjs', themeText)
  for (const [file, folder] of [
    ['links.ts', '.vitepress'],
    ['theme.css', '.vitepress/theme'],
  ] as const)
    cpSync(join(import.meta.dirname, file), join(staged, folder, file))
  await build(staged)
}

interface Item {
  readonly text: string
  readonly link?: string
  readonly collapsed?: boolean
  readonly items?: readonly Item[]
}

const linkTo = (path: string): string => `/${path.replace(/(index)?\.md$/, '')}`

/** The sections of docs/README.md; a page that stands for a folder has the folder's other pages below it. */
function sidebar(pages: readonly SitePage[], http: readonly { title: string; path: string }[]): Item[] {
  const folderOf = (source: string): string => `${dirname(sitePath(source))}/`
  return sections().map(({ title, pages: own }) => ({
    text: title,
    items: own.map(({ title: text, source }) => {
      const link = linkTo(sitePath(source))
      if (source === 'docs/http-api.md') return { text, link, collapsed: true, items: http.map(itemOf) }
      if (!sitePath(source).endsWith('/index.md')) return { text, link }
      const below = pages.filter(
        ({ path }) => path !== sitePath(source) && path.startsWith(folderOf(source)) && path.endsWith('.md'),
      )
      const items = below.toSorted((a, b) => a.path.localeCompare(b.path)).map(itemOf)
      return items.length === 0 ? { text, link } : { text, link, collapsed: true, items }
    }),
  }))
}

const itemOf = (page: { path: string; text?: string; title?: string }): Item => ({
  text: page.title ?? titleOf(page),
  link: linkTo(page.path),
})

const titleOf = ({ text = '', path }: { path: string; text?: string }): string =>
  /^# (.+)$/m.exec(text)?.[1]?.replaceAll('`', '') ?? path

function configText(items: readonly Item[], outDir: string, base: string): string {
  const sectionLinks = items.map(({ text, items: [first] = [] }) => ({ text, link: first?.link }))
  const config = {
    title: 'Flotilla',
    description: 'LLM agents in production as an event-driven fleet',
    lang: 'en',
    base,
    outDir,
    cacheDir: join(root, '.cache/vitepress'),
    ignoreDeadLinks: false,
    themeConfig: {
      search: { provider: 'local' },
      outline: [2, 3],
      nav: [...sectionLinks.slice(0, 5), { text: 'All pages', link: '/contents' }],
      sidebar: items,
      externalLinkIcon: true,
    },
  }
  return `import { slug } from './links.ts'
export default { ...${JSON.stringify(config)}, markdown: { html: false, attrs: { disable: true }, anchor: { slugify: slug } } }
`
}

const themeText = `import theme from 'vitepress/theme-without-fonts'
import './theme.css'
export default theme
`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = resolve(process.argv[2] ?? join(root, 'docs/dist'))
  await buildSite(directory, process.env['DOCS_BASE'] ?? '/')
  console.log(`the site is in ${directory}; for example: python3 -m http.server -d ${directory}`)
}
