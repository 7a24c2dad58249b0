// Whether a port can be listened on, asked before anything is started that needs it.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { FlotillaError } from '../../errors.ts'

/** Rejects with PORT_IN_USE, or as listening there would. Another process may still take the port afterwards. */
export async function requireFree(host: string, port: number): Promise<void> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
  } catch (error) {
    throw listenFailure(error, host, port)
  }
  server.close()
  await once(server, 'close')
}

export function listenFailure(error: unknown, host: string, port: number): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'EADDRINUSE') return error
  return new FlotillaError('PORT_IN_USE', `port ${port} on ${host} is in use`, { cause: error })
}
