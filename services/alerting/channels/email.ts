// Mail by SMTP, never without TLS: `smtps://` from the first byte, `smtp://` by STARTTLS. The only importer
// of nodemailer.
import { readFileSync } from 'node:fs'
import { FlotillaError } from '../../../runtime/errors.ts'
import { redacted } from '../../../runtime/text/redaction.ts'
import type { Channel } from './port.ts'
import { details, headline, subject } from './text.ts'

export interface EmailOptions {
  /** `smtp://user:password@host:587` or `smtps://…:465`. */
  readonly url: string
  readonly from: string
  readonly to: readonly string[]
  /** PEM file of a private certificate authority. */
  readonly caFile?: string
}

export function email({ url, from, to, caFile }: EmailOptions): Channel {
  return {
    async send({ id, notices }, signal) {
      const { host, port, secure, auth } = serverOf(url)
      const tls = caFile === undefined ? {} : { tls: { ca: readFileSync(caFile) } }
      // Loaded when a mail is sent: most fleets send none.
      const { createTransport } = await import('nodemailer')
      const transport = createTransport({ host, port, secure, requireTLS: !secure, ...auth, ...tls })
      const stop = () => transport.close()
      signal.addEventListener('abort', stop, { once: true })
      try {
        const sent = await transport.sendMail({
          from,
          to: [...to],
          // The same on every attempt, so that a mailbox can recognise repeats.
          messageId: `<${id}@flotilla>`,
          subject: `[flotilla] ${subject(notices)}`,
          text: notices.map((notice) => `${headline(notice)}\n${details(notice)}\n`).join('\n'),
        })
        return sent.response
      } catch (cause) {
        if (signal.aborted) throw signal.reason
        throw failureOf(cause, host)
      } finally {
        signal.removeEventListener('abort', stop)
        transport.close()
      }
    },
  }
}

function serverOf(text: string) {
  if (!URL.canParse(text) || !/^smtps?:$/.test(new URL(text).protocol))
    throw new FlotillaError('CHANNEL_NOT_CONFIGURED', 'the SMTP URL must begin with smtp:// or smtps://')
  const { protocol, hostname, port, username, password } = new URL(text)
  const secure = protocol === 'smtps:'
  const auth = username
    ? { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }
    : {}
  return { host: hostname, port: Number(port) || (secure ? 465 : 587), secure, auth }
}

/** 4xx and failures before an answer are transient; 5xx, bad credentials and a server without TLS are not. */
function failureOf(cause: unknown, host: string): FlotillaError {
  const { responseCode, code, message } = cause as { responseCode?: number; code?: string; message: string }
  const final = responseCode === undefined ? ['EAUTH', 'ETLS'].includes(code ?? '') : responseCode >= 500
  return new FlotillaError(
    final ? 'CHANNEL_REFUSED' : 'CHANNEL_UNAVAILABLE',
    `mail by ${host}: ${redacted(message).slice(0, 300)}`,
    { cause },
  )
}
