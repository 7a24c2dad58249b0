// What is answered to bytes that are no whole request: in the form of every other error.
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { FlotillaError } from '../../errors.ts'
import { errorBody } from './errors.ts'

/** By the code of Node's error. */
const refusals: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request was not whole in time; nothing was done'],
  HPE_HEADER_OVERFLOW: [431, 'the headers are longer than 16,384 bytes'],
}
const noHttp = [400, 'this is no request of HTTP/1.1'] as const

/** Answers, and closes the connection. */
export function refuseUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, message] = refusals[error.code ?? ''] ?? noHttp
  const body = JSON.stringify({ error: errorBody(new FlotillaError('REQUEST_INVALID', message)) })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroy(error)
}
