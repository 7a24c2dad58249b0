import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'
import { publicWeb, type Web, type WebResponse } from './web.ts'

const MAX_BYTES = 1_000_000

/** `http_json(url)`: what a public JSON API answers to GET. */
export function httpJson(web: Web = publicWeb): Tool {
  return defineTool({
    name: 'http_json',
    description: 'Gets JSON from a public HTTP(S) address and returns it as data.',
    input: z.object({ url: z.string().describe('http:// or https:// address, with its query') }),
    idempotent: true,
    timeoutMs: 20_000,
    run: async ({ url }, { signal }) => {
      const headers = { accept: 'application/json' }
      return parsed(await web.fetch(url, { headers, maxBytes: MAX_BYTES, signal }), MAX_BYTES)
    },
  })
}

/** The body as JSON. Throws TOOL_FAILED where it is none, TOOL_OUTPUT_TOO_LARGE where it was cut. */
export function parsed({ url, body, truncated }: WebResponse, maxBytes: number): Json {
  if (truncated)
    throw new FlotillaError('TOOL_OUTPUT_TOO_LARGE', `${url} answered more than ${maxBytes} bytes`)
  try {
    return JSON.parse(body.toString()) as Json
  } catch (cause) {
    const shown = body.subarray(0, 100).toString().replaceAll(/\s+/g, ' ')
    throw new FlotillaError('TOOL_FAILED', `${url} did not answer with JSON but with: ${shown}`, { cause })
  }
}
