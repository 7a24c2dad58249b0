// The encoding of a web page or document: from its byte order mark, else its header, else its own declaration
// (meta or XML), else guessed from its bytes. As browsers do, except for pages that are not in their declared
// encoding: those are read in their real one.
import { isAscii } from 'node:buffer'
import { encodingOfMark, guessEncoding, isEncoding, wideEncoding, type Guess } from '../data/text-encoding.ts'

/** How far a declaration may be from the start, with some margin. */
const DECLARED_WITHIN_BYTES = 4_096

export function decodePage(body: Buffer, contentType: string): string {
  return new TextDecoder(encodingOf(body, contentType)).decode(body)
}

function encodingOf(body: Buffer, contentType: string): string {
  const marked = encodingOfMark(body) ?? wideEncoding(body.subarray(0, DECLARED_WITHIN_BYTES))
  if (marked !== null && marked !== 'utf-32') return marked
  const { encoding: guess, undecodable = 0 } = guessEncoding([body]) as Partial<Guess> & { encoding: string }
  const declared = [inHeader(contentType), inDocument(body)].flatMap((label) => canonical(label) ?? [])
  // A document whose bytes are not UTF-8 is not read as UTF-8, and one whose bytes are, not as the encoding of one
  // byte a letter that a server names for all.
  const isUtf8 = guess === 'utf-8' && undecodable === 0 && !isAscii(body)
  const right = declared.find((encoding) =>
    encoding === 'utf-8' ? guess === 'utf-8' : !(isUtf8 && BY_BYTES.test(encoding)),
  )
  return right ?? (guess === 'utf-32' ? 'utf-8' : guess)
}

const BY_BYTES = /^(windows-125|iso-8859-|macintosh)/

/** Null if the label is unknown. */
const canonical = (label: string | null): string | null =>
  label !== null && isEncoding(label) ? new TextDecoder(label).encoding : null

/** In any quoting. */
const inHeader = (contentType: string): string | null =>
  /charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(contentType)?.[1] ?? null

function inDocument(body: Buffer): string | null {
  const head = body
    .subarray(0, DECLARED_WITHIN_BYTES)
    .toString('latin1')
    .replaceAll(/<!--[^]*?-->/g, '')
  const xml = /^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)/i.exec(head)?.[1]
  const label = xml ?? /<meta\s[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(head)?.[1] ?? null
  // It was readable byte by byte, so the document is not in UTF-16, whatever it declares.
  return label !== null && /^utf-?16/i.test(label) ? null : label
}
