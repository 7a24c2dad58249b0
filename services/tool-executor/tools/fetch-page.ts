import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool, ToolContext } from '../../../runtime/config/fleet.ts'
import { beginning } from '../../../runtime/text/bounded-text.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { decodePage } from './web/page-encoding.ts'
import type { PageText } from './web/page-text.ts'
import { parsePage } from './parsing.ts'
import { encodingOfMark, wideEncoding } from './data/text-encoding.ts'
import { isOpen, publicWeb, type WebOptions, type WebResponse } from './web/web.ts'

const MAX_BYTES = 2_000_000
const DEFAULT_CHARS = 20_000
const MAX_CHARS = 200_000

/** `fetch_page(url, max_chars)`: a public page of the web as text. */
export function fetchPage({ hosts, web = publicWeb }: WebOptions = {}): Tool {
  return defineTool({
    name: 'fetch_page',
    description: 'Fetches a public web page by HTTP(S) and returns its title and readable text.',
    input: z.object({
      url: z.string().describe('http:// or https:// address'),
      max_chars: z.int().min(1).max(MAX_CHARS).default(DEFAULT_CHARS).describe('longest text to return'),
    }),
    output: z.object({
      url: z.string(),
      title: z.string().nullable(),
      text: z.string(),
      truncated: z.boolean(),
    }),
    idempotent: true,
    cacheTtlMs: 3_600_000,
    timeoutMs: 20_000,
    cacheScope: 'shared',
    reads: 'untrusted',
    sends: isOpen(hosts),
    run: async ({ url, max_chars: maxChars }, context) => {
      const headers = { accept: 'text/html, text/plain, */*;q=0.5' }
      const response = await web.fetch(url, {
        headers,
        maxBytes: MAX_BYTES,
        signal: context.signal,
        ...(hosts && { hosts }),
      })
      const { title, text, truncated } = await readable(response, maxChars, context)
      return { url: response.url, title, text, truncated: response.truncated || truncated }
    },
  })
}

async function readable(
  { shown, contentType, body }: WebResponse,
  maxChars: number,
  context: ToolContext,
): Promise<PageText> {
  const [type = ''] = contentType.split(';')
  if (!/^(text\/|application\/(xhtml\+xml|json|xml|[\w.+-]+\+(json|xml))|$)/.test(type.trim())) {
    throw new FlotillaError('TOOL_FAILED', `${shown} is ${type}, not a page of text`)
  }
  if (isBinary(body))
    throw new FlotillaError('TOOL_FAILED', `${shown} is not text, although it says ${type || 'nothing'}`)
  const text = decodePage(body, contentType)
  if (/html/.test(type) || /^\s*<(!doctype html|html)/i.test(text))
    return parsePage({ html: text, maxChars }, shown, context)
  return { title: null, text: beginning(text, maxChars), truncated: text.length > maxChars }
}

/** Bytes that no text has, in its first part; UTF-16 has zeros. */
function isBinary(body: Buffer): boolean {
  const head = body.subarray(0, 1_000)
  if (encodingOfMark(head) !== null || wideEncoding(head) !== null) return false
  if (head.subarray(0, 5).toString('latin1') === '%PDF-') return true
  const odd = head.filter((byte) => byte < 9 || (byte > 13 && byte < 27) || byte === 0x7f).length
  return odd > head.length / 50
}
