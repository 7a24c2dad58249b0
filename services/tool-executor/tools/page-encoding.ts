// The encoding of a page or a document of the web: its byte order mark, else what its header says, else what it says itself (meta
// or XML declaration), else what its bytes look like. As browsers do, but for pages that are not what they say: those are
// read as what they are.
import { encodingOfMark, guessEncoding, isEncoding, wideEncoding } from './text-encoding.ts'

/** Where a declaration must stand, with some room. */
const DECLARED_WITHIN_BYTES = 4_096

export function decodePage(body: Buffer, contentType: string): string {
  return new TextDecoder(encodingOf(body, contentType)).decode(body)
}

function encodingOf(body: Buffer, contentType: string): string {
  const marked = encodingOfMark(body) ?? wideEncoding(body.subarray(0, DECLARED_WITHIN_BYTES))
  if (marked !== null && marked !== 'utf-32') return marked
  const guess = guessEncoding([body]).encoding
  const declared = [inHeader(contentType), inDocument(body)].flatMap((label) => canonical(label) ?? [])
  // A document whose bytes are no UTF-8 is not read as that.
  const right = declared.find((encoding) => encoding !== 'utf-8' || guess === 'utf-8')
  return right ?? (guess === 'utf-32' ? 'utf-8' : guess)
}

/** Null where nobody knows the label. */
const canonical = (label: string | null): string | null =>
  label !== null && isEncoding(label) ? new TextDecoder(label).encoding : null

/** However it is quoted. */
const inHeader = (contentType: string): string | null =>
  /charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(contentType)?.[1] ?? null

function inDocument(body: Buffer): string | null {
  const head = body
    .subarray(0, DECLARED_WITHIN_BYTES)
    .toString('latin1')
    .replaceAll(/<!--[^]*?-->/g, '')
  const xml = /^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)/i.exec(head)?.[1]
  const label = xml ?? /<meta\s[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(head)?.[1] ?? null
  // It could be read byte by byte, so the document is not in UTF-16, whatever it says.
  return label !== null && /^utf-?16/i.test(label) ? null : label
}
