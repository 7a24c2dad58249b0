// A web page as the text that a reader sees. No recursion: nesting may be as deep as the page is long.
// Elements are counted: HTML's rules for misnested tags can make a tree many times the page's size.
import { defaultTreeAdapter as tree, parse, type DefaultTreeAdapterTypes } from 'parse5'
import { beginning } from '../../../../runtime/text/bounded-text.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { hides, HidingRules } from './page-visibility.ts'

type Node = DefaultTreeAdapterTypes.Node

const words = (text: string) => new Set(text.split(' '))
/** Elements that no reader sees or that hold no text. Menus and data lists are choices, not text. */
const hidden = words(
  'script style noscript noframes template svg canvas iframe object select datalist head audio video map',
)
/** Elements whose text keeps its lines and indents. */
const preformatted = words('pre textarea listing xmp plaintext')
/** Two adjacent ones are separate words. */
const apart = words('button label option output legend')
const blocks = words(
  'address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 ' +
    'header hr li main nav ol p pre section summary table tbody tfoot thead tr ul textarea listing xmp plaintext dialog hgroup search optgroup caption',
)

/** The largest web pages have some ten thousand. */
const MAX_ELEMENTS = 200_000
const MAX_TITLE_CHARS = 1_000

export interface PageText {
  readonly title: string | null
  readonly text: string
  readonly truncated: boolean
}

/** A node to visit; preformatted text is kept as written. */
interface Place {
  readonly node: Node
  readonly isPre: boolean
}

/** Throws WORKER_LIMIT for a page with too many elements. */
export function pageText(html: string, maxChars: number): PageText {
  const parts: string[] = []
  const rules = new HidingRules()
  let title: string | null = null
  // Text to write as it is, or a node to visit.
  const stack: (string | Place)[] = [{ node: parse(html, { treeAdapter: countingTree() }), isPre: false }]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next === 'string') parts.push(next)
    else if (tree.isTextNode(next.node))
      parts.push(next.isPre ? kept(next.node.value) : next.node.value.replaceAll(/\s+/g, ' '))
    else if ('childNodes' in next.node) {
      const { node } = next
      const element = tree.isElementNode(node) ? node : null
      const name = element?.tagName ?? ''
      if (name === 'head' || name === 'title') title ??= titleOf(node)
      if (name === 'head') for (const child of node.childNodes) parts.push(...fromHead(child, rules))
      if (name === 'style') rules.add(textIn(node))
      if (name === 'frame') parts.push(`\n(frame: ${attributeOf(element, 'src')})\n`)
      if (name === 'title' || hidden.has(name) || (element && isUnseen(element, rules))) continue
      const isPre = next.isPre || (element !== null && isPreformatted(element))
      for (const part of open(name, node.childNodes))
        stack.push(typeof part === 'string' ? part : { node: part, isPre })
    }
  }
  const text = tidy(parts.join('')) || NO_TEXT
  return { title, text: beginning(text, maxChars), truncated: text.length > maxChars }
}

const NO_TEXT = '(The page has no text of its own. If scripts fill it in: they are not run.)'

/** Style sheets for `rules`, and the address that the page forwards to. */
function fromHead(node: Node, rules: HidingRules): string[] {
  if (!tree.isElementNode(node)) return []
  if (node.tagName === 'style') rules.add(textIn(node))
  if (node.tagName !== 'meta' || attributeOf(node, 'http-equiv').toLowerCase() !== 'refresh') return []
  const target = /url\s*=\s*['"]?([^'"\s>]+)/i.exec(attributeOf(node, 'content'))?.[1]
  return target === undefined ? [] : [`(the page forwards to ${target})\n`]
}

const textIn = (node: DefaultTreeAdapterTypes.ParentNode): string =>
  node.childNodes.map((child) => (tree.isTextNode(child) ? child.value : '')).join('')

const attributeOf = (element: DefaultTreeAdapterTypes.Element | null, name: string): string =>
  element?.attrs.find((attribute) => attribute.name === name)?.value ?? ''

const PRE_STYLE = /(?:^|;)\s*white-space\s*:\s*(?:pre|break-spaces)/i

function isUnseen(element: DefaultTreeAdapterTypes.Element, rules: HidingRules): boolean {
  const value = (name: string) => element.attrs.find((attribute) => attribute.name === name)?.value
  if (value('hidden') !== undefined || value('aria-hidden')?.trim().toLowerCase() === 'true') return true
  if (element.tagName === 'dialog' && value('open') === undefined) return true
  const style = value('style')
  return (style !== undefined && hides(style)) || rules.hide(element)
}

const isPreformatted = ({ tagName, attrs }: DefaultTreeAdapterTypes.Element): boolean =>
  preformatted.has(tagName) || attrs.some(({ name, value }) => name === 'style' && PRE_STYLE.test(value))

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

/** The element's children with the text around them, last first. */
function open(name: string, children: readonly Node[]): (string | Node)[] {
  const inside = children.toReversed()
  if (name === 'br') return ['\n']
  if (name === 'td' || name === 'th') return ['\t', ...inside]
  if (apart.has(name)) return [' ', ...inside, ' ']
  if (!blocks.has(name)) return inside
  const level = /^h([1-6])$/.exec(name)?.[1]
  const mark = name === 'li' ? '- ' : level ? `${'#'.repeat(Number(level))} ` : ''
  return ['\n', ...inside, `\n${mark}`]
}

function titleOf(node: DefaultTreeAdapterTypes.ParentNode): string | null {
  const isTitle = (one: Node) => tree.isElementNode(one) && one.tagName === 'title'
  const element = isTitle(node as Node) ? node : node.childNodes.find(isTitle)
  const text = element && 'childNodes' in element ? element.childNodes[0] : undefined
  const title = text && tree.isTextNode(text) ? text.value.replaceAll(/\s+/g, ' ').trim() : ''
  return beginning(title, MAX_TITLE_CHARS) || null
}

// Preserved space passes the tidying as private-use characters of Unicode, which no text has.
const KEPT_SPACE = '\ufdd0'
const KEPT_LINE = '\ufdd1'
const KEPT_TAB = '\ufdd2'

const kept = (text: string): string =>
  text.replaceAll(' ', KEPT_SPACE).replaceAll(/\r?\n/g, KEPT_LINE).replaceAll('\t', KEPT_TAB)

/**
 * Characters without a shape, in which words for a model can hide, and those that turn the direction of text.
 * Flags of regions are made of them; joiners shape letters and emoji.
 */
const SHAPELESS =
  /\u{1F3F4}[\u{E0020}-\u{E007F}]+|[\u{E0000}-\u{E007F}\u{E0100}-\u{E01EF}\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060-\u2064\u2066-\u2069\uFEFF]/gu

function tidy(text: string): string {
  return text
    .replaceAll(SHAPELESS, (found) => (found.startsWith('\u{1F3F4}') ? found : ''))
    .replaceAll(/[^\S\n\t]+/g, ' ')
    .replaceAll(/ *\n */g, '\n')
    .replaceAll(/\t *(?=\n)/g, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
    .replaceAll(KEPT_SPACE, ' ')
    .replaceAll(KEPT_LINE, '\n')
    .replaceAll(KEPT_TAB, '\t')
}
