// URLs with `{name}` in their path or query, filled with a model's arguments.
//
// 1. Arguments choose values, never the shape: after filling, the URL has the template's origin, its number
//    of path segments and its query parameters. A value that would change that, here or in a server that
//    decodes once more, is refused.
// 2. A template is checked when it is defined: an invalid one is a configuration error.
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Json } from '../../../../schemas/json.ts'

export interface UrlTemplate {
  /** Origin and path as written, for messages. */
  readonly shown: string
  /** Names of the arguments in it. */
  readonly names: ReadonlySet<string>
  /** `user:password` of the template. */
  readonly credentials: string | null
  /** Throws TOOL_ARGUMENTS_INVALID. */
  fill(values: ReadonlyMap<string, Json>): URL
}

const PLACEHOLDER = /\{(\w+)\}/g

/** Throws a plain Error that says what is wrong with the template. */
export function urlTemplate(text: string): UrlTemplate {
  const model = URL.parse(text.replaceAll(PLACEHOLDER, 'x'))
  if (model === null || !/^https?:$/.test(model.protocol))
    throw new Error('url must begin with http:// or https://')
  const match = /^(\w+:\/\/)([^/?#]*)([^?#]*)(\?[^#]*)?/.exec(text)
  const [, scheme = '', authority = '', path = '', query = ''] = match ?? []
  if (/[{}]/.test(authority)) throw new Error('url may have {name} in its path and query, not in its host')
  if (model.hash !== '') throw new Error('url must not have a fragment (#…): it is never sent')
  if (/[{}]/.test(`${path}${query}`.replaceAll(PLACEHOLDER, '')))
    throw new Error('url has a brace that is not a placeholder: write {name}, of letters, digits and _')
  const names = new Set([...`${path}${query}`.matchAll(PLACEHOLDER)].map(([, name = '']) => name))
  const host = `${scheme}${authority.slice(authority.lastIndexOf('@') + 1)}`
  const fill: UrlTemplate['fill'] = (values) => {
    const filledPath = path.replaceAll(PLACEHOLDER, (_, name: string) => segmentOf(name, values.get(name)))
    const filledQuery = query.replaceAll(PLACEHOLDER, (_, name: string) => valueOf(name, values.get(name)))
    return checkShape(`${host}${filledPath}${filledQuery}`, model)
  }
  return { shown: `${host}${path}`, names, credentials: credentialsOf(model), fill }
}

function credentialsOf({ username, password }: URL): string | null {
  return username === '' && password === ''
    ? null
    : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
}

/** A value of a path segment, encoded. */
function segmentOf(name: string, value: Json | undefined): string {
  const text = plain(name, value)
  if (text === '') throw invalid(name, 'must not be empty')
  for (const read of readings(text)) {
    // Servers drop text after a semicolon before they interpret the dots.
    if (/^\.{1,2}$/.test(read.split(';')[0] as string)) throw invalid(name, 'must not be a step of a path')
    if (/[/\\\p{Cc}]/u.test(read))
      throw invalid(name, 'must not hold slashes, backslashes or control characters')
  }
  return encodeURIComponent(text)
}

const MAX_DECODINGS = 5

/** The value as servers may read it: decoded once or several times more, and with look-alikes folded. */
function readings(text: string): string[] {
  const found = [text]
  for (let at = text; found.length <= MAX_DECODINGS;) {
    const next = decodedOnce(at)
    if (next === at) break
    found.push((at = next))
  }
  return found.flatMap((read) => [read, read.normalize('NFKC')])
}

/** Escapes that are not UTF-8 (such as overlong forms of a dot) are read as bytes. */
function decodedOnce(text: string): string {
  return text.replaceAll(/(%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes)
    } catch {
      return '/'
    }
  })
}

function valueOf(name: string, value: Json | undefined): string {
  return value === undefined || value === null ? '' : encodeURIComponent(plain(name, value))
}

function plain(name: string, value: Json | undefined): string {
  const text = typeof value === 'string' ? value : String(value)
  if (!['string', 'number', 'boolean'].includes(typeof value))
    throw invalid(name, 'must be a text or a number')
  if (!text.isWellFormed()) throw invalid(name, 'must be well-formed Unicode')
  return text
}

function checkShape(text: string, model: URL): URL {
  const url = URL.parse(text)
  const isSame =
    url?.origin === model.origin &&
    url.pathname.split('/').length === model.pathname.split('/').length &&
    url.searchParams.size === model.searchParams.size
  if (url === null || !isSame)
    throw new FlotillaError('TOOL_ARGUMENTS_INVALID', 'the arguments change the address of this tool')
  return url
}

function invalid(name: string, why: string): FlotillaError {
  return new FlotillaError('TOOL_ARGUMENTS_INVALID', `${name} ${why}, because it is part of an address`)
}
