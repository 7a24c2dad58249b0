// The http executor for the conformance suite, on the sandbox server of deploy/. A server for each memory limit.
import { after } from 'node:test'
import { HttpExecutor, type HttpOptions } from '../../services/code-sandbox/executors/http/http-executor.ts'
import { eventually } from '../conformance/waiting.ts'
import { TOKEN, startServer, type ServerProcess } from './http-server.ts'
import type { Subject } from './suite/subject.ts'

const MEMORY_MB = [128, 256]

const servers = new Map<number, ServerProcess>()
for (const memoryMb of MEMORY_MB)
  servers.set(memoryMb, await startServer({ FLOTILLA_SANDBOX_MEMORY_MB: String(memoryMb) }))
after(async () => {
  for (const server of servers.values()) await server.stop()
})

export const createHttp = (options: Partial<HttpOptions> = {}): HttpExecutor => {
  const { memoryMb = 256 } = options
  const url = servers.get(memoryMb)?.url ?? ''
  return new HttpExecutor({ memoryMb, maxChildren: 4, url, token: TOKEN, ...options })
}

export const http: Subject<HttpExecutor> = {
  name: 'http',
  capabilities: { sameAddresses: false, sleepsJump: true, packages: [] },
  create: ({ memoryMb, maxLive } = {}) =>
    createHttp({ ...(memoryMb && { memoryMb }), ...(maxLive && { maxChildren: maxLive }) }),
  live: (executor) => executor.children,
  async crash() {
    for (const server of servers.values()) await server.crashSessions()
  },
  async underway() {
    await eventually('a step computes', async () => {
      const described = await Promise.all([...servers.values()].map((server) => server.described()))
      return described.some(({ computing }) => computing > 0)
    })
  },
}
