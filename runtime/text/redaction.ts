// Removes the secrets that this process knows from texts.
//
// 1. A secret is known once it is registered here: `readEnvironment` registers those of the environment,
//    loading those of a configuration, an HTTP tool those of its headers. Texts made before that may show it.
// 2. It is found in every form in which a text may show it: as it is, percent-encoded, in JSON, and in
//    base64, alone or behind its user's name.
// 3. A text that shows none is returned unchanged, at the cost of a search for each form.
// 4. API keys are known by their form, whether registered or not.
// 5. Shorter values than MIN_CHARS, and values that are public too (a password equal to its user's name), are
//    not kept: replacing them would garble every text, and hide nothing.

/** Stands where a secret stood. */
export const REDACTED = '***'

const MIN_CHARS = 8
/** Secrets that come and go, such as tokens that an HTTP tool renews: the latest are kept. */
const MAX_PASSING = 200
/** Longer forms are found by their beginning: an expression of any length can't be compiled. */
const FOUND_BY_CHARS = 256

const lasting = new Set<string>()
const passing = new Map<string, readonly string[]>()
let forms: readonly string[] = []
/** Finds the beginning of any form in one pass over a text. */
let mayShow = /(?!)/

/** Names of fields are the same ones nearly always. Those that hide nothing are kept, as long as no secret is added. */
const plainNames = new Set<string>()
const MAX_PLAIN_NAMES = 1_000
const MAX_PLAIN_NAME_CHARS = 100

/** Kept for the life of the process. */
export function keepSecrets(secrets: Iterable<string>): void {
  const before = lasting.size
  for (const secret of secrets) for (const form of formsOf(secret)) lasting.add(form)
  if (lasting.size !== before) collect()
}

/** Kept until many others have come. */
export function keepPassingSecrets(secrets: Iterable<string>): void {
  for (const secret of secrets) {
    if (passing.has(secret) || lasting.has(secret) || secret.length < MIN_CHARS) continue
    passing.set(secret, formsOf(secret))
    const [oldest] = passing.keys()
    if (passing.size > MAX_PASSING && oldest !== undefined) passing.delete(oldest)
    collect()
  }
}

/** The longest first: a form may contain another. */
function collect(): void {
  plainNames.clear()
  const all = new Set([...lasting, ...[...passing.values()].flat()])
  forms = [...all].sort((a, b) => b.length - a.length)
  const beginnings = new Set(forms.map((form) => form.slice(0, FOUND_BY_CHARS)))
  mayShow = new RegExp(
    [...beginnings].map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|') || '(?!)',
  )
}

const lowerEscapes = (text: string): string =>
  text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)
const base64 = (text: string): string => Buffer.from(text).toString('base64').replace(/=+$/, '')

function formsOf(secret: string): string[] {
  if (secret.length < MIN_CHARS) return []
  // A lone surrogate can't be encoded, and occurs in no URL.
  const whole = secret.toWellFormed()
  const encoded = encodeURIComponent(whole)
  const inForm = new URLSearchParams([['', whole]]).toString().slice(1)
  const escaped = inJson(secret)
  const found = [
    secret,
    encoded,
    lowerEscapes(encoded),
    inForm,
    lowerEscapes(inForm),
    escaped,
    inJson(escaped),
  ]
  return [...new Set([...found, base64(secret)])]
}

/**
 * API keys of any fleet are known by their form, also those with a mistake in them (operator/direct/keys.ts). The
 * id is public.
 */
const apiKey = /(flk_[0-9A-Za-z]{1,40}_)[0-9A-Za-z_-]{4,}/g

/** The text with every secret replaced. */
export function redacted(text: string): string {
  if (text.length < MIN_CHARS) return text
  const whole = text.includes('flk_') ? text.replaceAll(apiKey, `$1${REDACTED}`) : text
  if (!mayShow.test(whole)) return whole
  let clean = whole
  for (const form of forms) if (clean.includes(form)) clean = clean.replaceAll(form, REDACTED)
  return clean
}

/** JSON with every secret in its strings and names replaced; the value itself if there is none. */
export function redactedJson<T>(value: T): T {
  return cleaned(value, 0) as T
}

/** Deeper values are left as they are: ours never nest so deep. */
const MAX_DEPTH = 1_000

function cleaned(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redacted(value)
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return cleanedItems(value, depth + 1)
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
    ? cleanedObject(value as Record<string, unknown>, depth + 1)
    : value
}

/** Nearly all show nothing: only one that does is copied, and then searched twice. */
function cleanedItems(items: readonly unknown[], depth: number): readonly unknown[] {
  for (const item of items)
    if (cleaned(item, depth) !== item) return items.map((each) => cleaned(each, depth))
  return items
}

function cleanedObject(value: Record<string, unknown>, depth: number): object {
  for (const name in value) {
    const item = value[name]
    if (redactedName(name) !== name || cleaned(item, depth) !== item) return cleanedCopy(value, depth)
  }
  return value
}

const cleanedCopy = (value: Record<string, unknown>, depth: number): object =>
  Object.fromEntries(Object.entries(value).map(([name, item]) => [redactedName(name), cleaned(item, depth)]))

function redactedName(name: string): string {
  if (plainNames.has(name)) return name
  const clean = redacted(name)
  const isKept = clean === name && name.length <= MAX_PLAIN_NAME_CHARS && plainNames.size < MAX_PLAIN_NAMES
  if (isKept) plainNames.add(name)
  return clean
}

/** Origin and path: the parts of a URL that a message may show. User, query and fragment may be secret. */
export function shownUrl(url: string | URL): string {
  const parsed = typeof url === 'string' ? URL.parse(url) : url
  if (parsed === null) return 'a URL that can not be read'
  return redacted(`${parsed.protocol}//${parsed.host}${parsed.pathname}`)
}

const secretName =
  /(^|[^a-z])keys?$|(api|access|secret|private|routing|account|auth)[_-]?key|token|secret|passw|passphrase|^pwd$|credential|^sig$|signature|authorization|^auth$|cookie|^code$|^jwt$|session[_-]?id/i

/** Whether a header or a query parameter of this name holds a secret. */
const isSecretName = (name: string): boolean => secretName.test(name)

/** Secrets in a URL: its password, also as a header sends it, and secret query parameters. */
export function secretsOfUrl(text: string): string[] {
  const url = URL.parse(text)
  if (url === null) return []
  const found = [...url.searchParams].flatMap(([name, value]) => (isSecretName(name) ? [value] : []))
  const [user, password] = [decoded(url.username), decoded(url.password)]
  const names = [url.hostname, decoded(url.pathname.slice(1))]
  // A user alone is a token, for some HTTP servers.
  if (password === '')
    return /^https?:$/.test(url.protocol) && !names.includes(user) ? [...found, user] : found
  if ([user, ...names].includes(password)) return found
  return [...found, password, base64(`${user}:${password}`)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Secrets in the value of a header; empty for headers that hold none. */
export function secretsOfHeader(name: string, value: string): string[] {
  if (!isSecretName(name)) return []
  const [scheme = '', ...rest] = value.trim().split(/\s+/)
  const credentials = rest.length === 0 ? scheme : rest.join(' ')
  if (!/^basic$/i.test(scheme)) return [credentials]
  const pair = Buffer.from(credentials, 'base64').toString()
  return [credentials, pair, pair.slice(pair.indexOf(':') + 1)]
}
