// Which elements of a page its reader does not see, by their own attributes and by the page's own <style> rules.
// Words that only a model would read are mostly meant for it.
//
// 1. A style counts as its browser reads it: without comments, with escapes resolved, in any case.
// 2. Of style sheets only the simple rules count (a tag, classes, an id), outside of @media and the like; the
//    last rule of a selector wins. Sheets of their own files are not fetched.
import type { DefaultTreeAdapterTypes } from 'parse5'

type Element = DefaultTreeAdapterTypes.Element

const ENDS = String.raw`\s*(?:;|!|$)`
const NOTHING = String.raw`(?:0*\.0\d*|0+)`
const SMALL = String.raw`(?:${NOTHING}(?:[a-z%]*)|0*1(?:\.0*)?px|0?\.\d+px)`
const FAR = String.raw`-\d{3,}(?:\.\d+)?(?:px|em|rem|vw|vh|%)?`

const declared = (name: string, value: string): RegExp =>
  new RegExp(String.raw`(?:^|;)\s*(?:${name})\s*:\s*(?:${value})`)

const HIDING = [
  declared('display', 'none'),
  declared('visibility', 'hidden|collapse'),
  declared('content-visibility', 'hidden'),
  declared('opacity', String.raw`${NOTHING}%?${ENDS}`),
  declared('filter', String.raw`[^;]*opacity\(\s*${NOTHING}%?\s*\)`),
  declared('font-size', SMALL + ENDS),
  declared('font', String.raw`(?:[a-z]+\s+)*${SMALL}(?:\s|/)`),
  declared('text-indent', FAR),
  declared('color', 'transparent'),
  declared(
    'transform',
    String.raw`[^;]*(?:scale[xy3d]*\(\s*${NOTHING}\s*[,)]|translate[xy3d]*\([^)]*${FAR})`,
  ),
  declared('clip', String.raw`rect\(\s*(?:[01](?:px)?[\s,]*){4}\)`),
  declared('clip-path', String.raw`inset\(\s*(?:[5-9]\d|100)%|(?:circle|ellipse)\(\s*${NOTHING}`),
  declared('-webkit-text-fill-color', 'transparent'),
]
const POSITIONED = declared('position', 'absolute|fixed')
const AWAY = declared('left|top|right|bottom|inset(?:-[a-z-]+)?|margin-left|margin-top', FAR)
const CUT = declared('overflow(?:-[xy])?', 'hidden|clip')
const NO_SIZE = declared('(?:max-)?(?:height|width)', SMALL + ENDS)
const COLOUR = /(?:^|;)\s*color\s*:\s*([^;!]+)/
const GROUND = /(?:^|;)\s*background(?:-color)?\s*:\s*([^;!]+)/

/** Whether the declarations hide what they apply to. */
export function hides(style: string): boolean {
  const css = plain(style.slice(0, MAX_STYLE_CHARS))
  if (HIDING.some((pattern) => pattern.test(css))) return true
  if (POSITIONED.test(css) && AWAY.test(css)) return true
  if (CUT.test(css) && NO_SIZE.test(css)) return true
  const colour = COLOUR.exec(css)?.[1]?.trim()
  return colour !== undefined && colour === GROUND.exec(css)?.[1]?.trim()
}

/** Longest style of an element that is read. Characters. */
const MAX_STYLE_CHARS = 10_000

/** By positions: a pattern would search the rest again for each opening without a close. */
function withoutComments(css: string): string {
  const parts: string[] = []
  let from = 0
  for (let start = css.indexOf('/*'); start >= 0; start = css.indexOf('/*', from)) {
    parts.push(css.slice(from, start))
    const end = css.indexOf('*/', start + 2)
    if (end < 0) return parts.join('')
    from = end + 2
  }
  return parts.join('') + css.slice(from)
}

const plain = (css: string): string =>
  withoutComments(css)
    .replaceAll(
      /\\([0-9a-f]{1,6})\s?|\\([^\n])/gi,
      (_all, code: string | undefined, char: string | undefined) =>
        code === undefined
          ? (char ?? '')
          : String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff)),
    )
    .toLowerCase()

/** Style sheets longer than this are not read. Characters. */
const MAX_SHEET_CHARS = 500_000
const SIMPLE = /^(?<tag>[a-z][\w-]*)?(?<rest>(?:[.#][\w-]+)*)$/

interface Selector {
  readonly tag: string
  readonly classes: readonly string[]
  readonly id: string
}

/** Most selectors that are compared with each element. */
const MAX_SELECTORS = 200

/** The rules of the page's own style sheets. */
export class HidingRules {
  readonly #selectors = new Map<string, Selector>()

  add(sheet: string): void {
    if (sheet.length > MAX_SHEET_CHARS) return
    for (const { selectors, declarations } of rulesIn(sheet)) {
      const isHidden = hides(declarations)
      if (!isHidden && !SHOWS.test(plain(declarations.slice(0, MAX_STYLE_CHARS)))) continue
      for (const text of selectors.split(',')) this.#set(text.trim(), isHidden)
    }
  }

  #set(text: string, isHidden: boolean): void {
    const selector = isHidden && this.#selectors.size < MAX_SELECTORS ? selectorOf(text) : null
    if (selector === null) this.#selectors.delete(text)
    else this.#selectors.set(text, selector)
  }

  /** Whether a rule hides the element. */
  hide(element: Element): boolean {
    if (this.#selectors.size === 0) return false
    const classes = attributeOf(element, 'class').split(/\s+/)
    const id = attributeOf(element, 'id')
    return [...this.#selectors.values()].some(
      (wanted) =>
        (wanted.tag === '' || wanted.tag === element.tagName) &&
        (wanted.id === '' || wanted.id === id) &&
        wanted.classes.every((one) => classes.includes(one)),
    )
  }
}

const SHOWS = /(?:^|;)\s*(?:display|visibility|opacity)\s*:/

const attributeOf = (element: Element, name: string): string =>
  element.attrs.find((attribute) => attribute.name === name)?.value ?? ''

/** At the top level only: rules within @media apply under conditions. */
function* rulesIn(sheet: string): Generator<{ selectors: string; declarations: string }> {
  const css = withoutComments(sheet)
  let depth = 0
  let from = 0
  let selectors = ''
  for (let at = 0; at < css.length; at++) {
    const char = css.charAt(at)
    if (char === '{') {
      if (++depth === 1) selectors = css.slice(from, at).trim()
      from = depth === 1 ? at + 1 : from
    } else if (char === '}') {
      depth = Math.max(0, depth - 1)
      if (depth > 0) continue
      if (!selectors.startsWith('@')) yield { selectors, declarations: css.slice(from, at) }
      from = at + 1
    } else if (char === ';' && depth === 0) from = at + 1
  }
}

/** Null for a selector that is not simple. */
function selectorOf(selector: string): Selector | null {
  const groups = selector === '' ? undefined : SIMPLE.exec(selector)?.groups
  if (groups === undefined) return null
  const parts = (groups['rest'] ?? '').match(/[.#][\w-]+/g) ?? []
  return {
    tag: groups['tag'] ?? '',
    classes: parts.filter((part) => part.startsWith('.')).map((part) => part.slice(1)),
    id: parts.find((part) => part.startsWith('#'))?.slice(1) ?? '',
  }
}
