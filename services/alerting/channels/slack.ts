// Slack's incoming webhooks.
import { post } from './http.ts'
import type { Channel } from './port.ts'
import { details, headline } from './text.ts'

export function slack({ url }: { url: string }): Channel {
  return {
    send({ notices }, signal) {
      const text = notices.map((notice) => `*${escape(headline(notice))}*\n${escape(details(notice))}`)
      return post(
        url,
        JSON.stringify({ text: text.join('\n') }),
        { 'content-type': 'application/json' },
        signal,
      )
    },
  }
}

/** Slack's three control characters. */
const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
