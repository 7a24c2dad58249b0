import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'
import { redacted } from '../../../runtime/text/redaction.ts'
import { parseKeeping } from './data/json-table.ts'
import { decodePage } from './web/page-encoding.ts'
import { isOpen, publicWeb, type WebOptions, type WebResponse } from './web/web.ts'

const MAX_BYTES = 1_000_000

/** `http_json(url)`: the answer of a public JSON API to GET. */
export function httpJson({ hosts, web = publicWeb }: WebOptions = {}): Tool {
  return defineTool({
    name: 'http_json',
    description: 'Gets JSON from a public HTTP(S) address and returns it as data.',
    input: z.object({ url: z.string().describe('http:// or https:// address, with its query') }),
    idempotent: true,
    timeoutMs: 20_000,
    cacheScope: 'shared',
    reads: 'untrusted',
    sends: isOpen(hosts),
    run: async ({ url }, { signal }) => {
      const headers = { accept: 'application/json' }
      const request = { headers, maxBytes: MAX_BYTES, signal, ...(hosts && { hosts }) }
      return parseJson(await web.fetch(url, request), MAX_BYTES)
    },
  })
}

/** The body as JSON. Throws TOOL_FAILED if it is not JSON, TOOL_OUTPUT_TOO_LARGE if it was cut. */
export function parseJson({ shown: url, body, truncated, contentType }: WebResponse, maxBytes: number): Json {
  if (truncated)
    throw new FlotillaError('TOOL_OUTPUT_TOO_LARGE', `${url} answered more than ${maxBytes} bytes`)
  try {
    return parseKeeping(decodePage(body, contentType))
  } catch (cause) {
    const said = redacted(body.toString().replaceAll(/\s+/g, ' ')).slice(0, 100)
    throw new FlotillaError('TOOL_FAILED', `${url} did not answer with JSON but with: ${said}`, { cause })
  }
}
