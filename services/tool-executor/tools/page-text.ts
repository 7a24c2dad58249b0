// A web page as the text that a reader sees. No recursion: a page may be nested as deep as it is long.
import { defaultTreeAdapter as tree, parse, type DefaultTreeAdapterTypes } from 'parse5'

type Node = DefaultTreeAdapterTypes.Node

const words = (text: string) => new Set(text.split(' '))
const hidden = words('script style noscript template svg canvas iframe object select head')
const blocks = words(
  'address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 ' +
    'header hr li main nav ol p pre section summary table tbody thead tr ul',
)

export interface PageText {
  title: string | null
  text: string
}

export function pageText(html: string): PageText {
  const parts: string[] = []
  let title: string | null = null
  // Text to write as it is, or a node yet to be opened.
  const stack: (string | Node)[] = [parse(html)]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next === 'string') parts.push(next)
    else if (tree.isTextNode(next)) parts.push(next.value.replaceAll(/\s+/g, ' '))
    else if ('childNodes' in next) {
      const name = tree.isElementNode(next) ? next.tagName : ''
      if (name === 'head') title ??= titleOf(next)
      if (!hidden.has(name)) stack.push(...opened(name, next.childNodes))
    }
  }
  return { title, text: tidy(parts.join('')) }
}

/** What the element puts around its children, last first. */
function opened(name: string, children: readonly Node[]): (string | Node)[] {
  const inside = children.toReversed()
  if (name === 'br') return ['\n']
  if (name === 'td' || name === 'th') return ['\t', ...inside]
  if (!blocks.has(name)) return inside
  const level = /^h([1-6])$/.exec(name)?.[1]
  const mark = name === 'li' ? '- ' : level ? `${'#'.repeat(Number(level))} ` : ''
  return ['\n', ...inside, `\n${mark}`]
}

function titleOf(head: DefaultTreeAdapterTypes.ParentNode): string | null {
  const element = head.childNodes.find((node) => tree.isElementNode(node) && node.tagName === 'title')
  const text = element && 'childNodes' in element ? element.childNodes[0] : undefined
  return (text && tree.isTextNode(text) && text.value.trim()) || null
}

function tidy(text: string): string {
  return text
    .replaceAll(/[^\S\n\t]+/g, ' ')
    .replaceAll(/ *\n */g, '\n')
    .replaceAll(/\t *(?=\n)/g, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
}
