// A web page as the text that a reader sees. No recursion: a page may be nested as deep as it is long. Elements are counted:
// HTML's rules for misnested tags make a tree of many times the page's size.
import { defaultTreeAdapter as tree, parse, type DefaultTreeAdapterTypes } from 'parse5'
import { FlotillaError } from '../../../runtime/errors.ts'

type Node = DefaultTreeAdapterTypes.Node

const words = (text: string) => new Set(text.split(' '))
const hidden = words('script style noscript template svg canvas iframe object select head')
const blocks = words(
  'address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 ' +
    'header hr li main nav ol p pre section summary table tbody thead tr ul',
)

/** The largest pages of the web have some ten thousand. */
const MAX_ELEMENTS = 200_000
const MAX_TITLE_CHARS = 1_000

export interface PageText {
  readonly title: string | null
  readonly text: string
  readonly truncated: boolean
}

/** Throws WORKER_LIMIT for a page of too many elements. */
export function pageText(html: string, maxChars: number): PageText {
  const parts: string[] = []
  let title: string | null = null
  // Text to write as it is, or a node yet to be opened.
  const stack: (string | Node)[] = [parse(html, { treeAdapter: countingTree() })]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next === 'string') parts.push(next)
    else if (tree.isTextNode(next)) parts.push(next.value.replaceAll(/\s+/g, ' '))
    else if ('childNodes' in next) {
      const name = tree.isElementNode(next) ? next.tagName : ''
      if (name === 'head') title ??= titleOf(next)
      if (!hidden.has(name)) for (const part of opened(name, next.childNodes)) stack.push(part)
    }
  }
  const text = tidy(parts.join(''))
  return { title, text: text.slice(0, maxChars), truncated: text.length > maxChars }
}

function countingTree(): typeof tree {
  let elements = 0
  return {
    ...tree,
    createElement(...parameters) {
      if (++elements > MAX_ELEMENTS)
        throw new FlotillaError('WORKER_LIMIT', `it has more than ${MAX_ELEMENTS} elements`)
      return tree.createElement(...parameters)
    },
  }
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
  return (text && tree.isTextNode(text) && text.value.trim().slice(0, MAX_TITLE_CHARS)) || null
}

function tidy(text: string): string {
  return text
    .replaceAll(/[^\S\n\t]+/g, ' ')
    .replaceAll(/ *\n */g, '\n')
    .replaceAll(/\t *(?=\n)/g, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
}
