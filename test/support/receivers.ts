// Where alert channels lead in tests: a real HTTP server that keeps what it gets, and a real SMTP server with STARTTLS.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { simpleParser, type ParsedMail } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { installedProgram, runTool } from '../infra/tool.ts'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface HttpReceiver {
  readonly url: string
  readonly received: Received[]
  stop(): Promise<void>
}

interface Reply {
  readonly status: number
  readonly body?: string
  readonly headers?: Record<string, string>
}

/** `reply`: by number of the request, from 0. Default: 200 `ok`. A status of 0 is never answered. */
export async function startHttpReceiver(
  reply: (count: number) => Reply = () => ({ status: 200, body: 'ok' }),
): Promise<HttpReceiver> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { status, body = '', headers = {} } = reply(received.length)
      received.push({
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      })
      if (status !== 0) response.writeHead(status, headers).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface MailReceiver {
  readonly port: number
  /** PEM of the certificate that it shows. */
  readonly caFile: string
  readonly mails: { readonly mail: ParsedMail; readonly secure: boolean; readonly user: string | undefined }[]
  stop(): Promise<void>
}

export async function startMailReceiver(options: SMTPServerOptions = {}): Promise<MailReceiver> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-smtp-'))
  const { keyFile, caFile } = await selfSigned(directory)
  const mails: MailReceiver['mails'] = []
  const server = new SMTPServer({
    key: readFileSync(keyFile),
    cert: readFileSync(caFile),
    authOptional: true,
    onAuth: ({ username, password }, _session, done) =>
      password === 'secret' ? done(null, { user: username }) : done(new Error('wrong password')),
    onData: (stream, session, done) => {
      simpleParser(stream).then((mail) => {
        mails.push({ mail, secure: session.secure, user: session.user })
        done()
      }, done)
    },
    ...options,
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.server.address() as AddressInfo).port,
    caFile,
    mails,
    stop: async () => {
      await new Promise<void>((resolve) => server.close(() => resolve()))
      rmSync(directory, { recursive: true })
    },
  }
}

/** A key, and a certificate for 127.0.0.1 that vouches for itself. */
async function selfSigned(directory: string): Promise<{ keyFile: string; caFile: string }> {
  const keyFile = join(directory, 'key.pem')
  const caFile = join(directory, 'certificate.pem')
  const openssl = await installedProgram('openssl', 'openssl')
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  await runTool(openssl, ['req', '-x509', ...key, '-out', caFile, '-days', '2', ...name])
  return { keyFile, caFile }
}
