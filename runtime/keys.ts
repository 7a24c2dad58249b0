// Keys of state: which events wait for each other, and which rows a handling sees.
//
// 1. A key is a root (mostly a task id) and at most one part. Only a stage's `keyOf` and `interrupts` make
//    parts, as values of `Key`; a plain string is a root, regardless of its characters.
// 2. The encoded form is `root` or `root/part`, in which `%`, `/` and the zero character of an id are
//    escaped: no id can act as syntax. An id that matches `taskIdPattern` is its own encoded form, so the
//    rows of tasks keep their keys.
// 3. Encoded keys are for the host: it queues by them, writes rows under them, and gives them to stages as
//    `event.key`.

/** A root, and a part of it if parts of the root's work run in parallel: a tool call of a task. */
export interface Key {
  readonly root: string
  readonly part?: string
}

const PART = '/'
const SYNTAX = /[%/\u0000]/
const escapes: Readonly<Record<string, string>> = { '%': '%25', '/': '%2F', '\u0000': '%00' }

const escaped = (id: string): string =>
  SYNTAX.test(id) ? id.replaceAll(/[%/\u0000]/g, (character) => escapes[character] ?? character) : id

/** The encoded form of a key, or of a plain id as a root. */
export function encodeKey(key: Key | string): string {
  if (typeof key === 'string') return escaped(key)
  const root = escaped(key.root)
  return key.part === undefined ? root : root + PART + escaped(key.part)
}

/** The ids that an encoded key was made of. */
export function decodeKey(encoded: string): Key {
  const at = encoded.indexOf(PART)
  const plain = (text: string): string =>
    text.replaceAll(/%(25|2F|00)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  if (at < 0) return { root: plain(encoded) }
  return { root: plain(encoded.slice(0, at)), part: plain(encoded.slice(at + 1)) }
}

/** The encoded root of an encoded key. */
export function rootOf(encoded: string): string {
  const at = encoded.indexOf(PART)
  return at < 0 ? encoded : encoded.slice(0, at)
}

export const isPart = (encoded: string): boolean => encoded.includes(PART)

/** Whether an encoded key is this one, or a part of it. */
export function isWithin(encoded: string, whole: string): boolean {
  return encoded === whole || (encoded.startsWith(whole) && rootOf(encoded) === whole)
}

/** Whether one of two encoded keys is the other or a part of it: then they exclude each other. */
export const isRelated = (a: string, b: string): boolean => isWithin(a, b) || isWithin(b, a)
