// A real Jaeger on loopback, spans in memory. Built once from the Go module in test/infra/jaeger (minutes), then cached.
//
// go.sum there starts from the go.sum that Jaeger itself ships, so each module is held to what Jaeger was released with.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { accepts, freePorts } from './port.ts'
import { scratch, startServer, type Server } from './server.ts'
import { requireProgram, runTool } from './tool.ts'

export interface Jaeger extends Server {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT` (OTLP over HTTP). */
  readonly otlpUrl: string
  /** The query API: `/api/services`, `/api/traces/{id}`, `/api/v3/traces`. */
  readonly queryUrl: string
}

const host = '127.0.0.1'
const here = join(import.meta.dirname, 'jaeger')
/** Every listener that Jaeger opens; each gets a port, because its defaults are on all addresses. */
const listeners = [
  'collector.otlp.http.host-port',
  'query.http-server.host-port',
  'collector.otlp.grpc.host-port',
  'collector.grpc-server.host-port',
  'collector.http-server.host-port',
  'query.grpc-server.host-port',
  'admin.http.host-port',
]

export async function startJaeger(): Promise<Jaeger> {
  const program = join(await jaegerProgram(), 'jaeger')
  const ports = await freePorts(listeners.length)
  const [otlp, query] = ports as [number, number]
  const server = await startServer({
    name: 'jaeger',
    command: program,
    args: listeners.map((listener, index) => `--${listener}=${host}:${ports[index]}`),
    env: { ...process.env, SPAN_STORAGE_TYPE: 'memory' },
    directory: scratch('jaeger'),
    ready: async () => (await accepts(otlp)) && (await fetch(`http://${host}:${query}/api/services`)).ok,
    stopSignal: 'SIGKILL',
  })
  const urls = { otlpUrl: `http://${host}:${otlp}`, queryUrl: `http://${host}:${query}` }
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors(urls)) as Jaeger
}

/** A directory that holds the program `jaeger`. */
export function jaegerProgram(): Promise<string> {
  const inputs = ['go.mod', 'go.sum'].map((file) => readFileSync(join(here, file), 'utf8'))
  return cached('jaeger', inputs, async (directory) => {
    const go = requireProgram('go', 'Install Go 1.24.6 or later and put it on PATH.')
    console.error('infra: building Jaeger from source; this takes minutes, once')
    const build = ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-ldflags=-s -w']
    const source = 'github.com/jaegertracing/jaeger/cmd/all-in-one'
    await runTool(go, [...build, '-o', join(directory, 'jaeger'), source], { cwd: here })
  })
}
