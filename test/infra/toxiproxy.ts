// A real Toxiproxy on loopback: stands between a fleet and a server, and makes the connections between them bad.
import { join } from 'node:path'
import { cached } from './cache.ts'
import { accepts, freePort } from './port.ts'
import { scratch, startServer } from './server.ts'
import { requireProgram, runTool } from './tool.ts'

/** https://github.com/Shopify/toxiproxy#toxics */
export interface Toxic {
  readonly type: 'latency' | 'reset_peer' | 'timeout'
  readonly attributes: Readonly<Record<string, number>>
  /** `downstream`: what comes from the server. `upstream`: what goes to it. */
  readonly stream: 'downstream' | 'upstream'
}

/** The way to one server. */
export interface Proxy {
  /** Where clients connect. */
  readonly port: number
  poison(toxics: readonly Toxic[]): Promise<void>
  /** Takes every toxic away. */
  heal(): Promise<void>
}

export interface Toxiproxy {
  /** On a port of the caller's choice, because a server may have to know it before it starts. */
  proxy(name: string, port: number, upstreamPort: number): Promise<Proxy>
  stop(): Promise<void>
}

const host = '127.0.0.1'
const source = 'github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0'

export async function startToxiproxy(): Promise<Toxiproxy> {
  const program = join(await toxiproxyProgram(), 'server')
  const port = await freePort()
  const server = await startServer({
    name: 'toxiproxy',
    command: program,
    args: ['-host', host, '-port', String(port)],
    directory: scratch('toxiproxy'),
    ready: () => accepts(port),
    stopSignal: 'SIGKILL',
  })
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const init = { method, ...(body && { body: JSON.stringify(body) }) }
    const response = await fetch(`http://${host}:${port}${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`toxiproxy, ${method} ${path}: ${response.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }
  return {
    proxy: async (name, listenPort, upstreamPort) => {
      const proxy = { name, listen: `${host}:${listenPort}`, upstream: `${host}:${upstreamPort}` }
      await ask('POST', '/proxies', { ...proxy, enabled: true })
      const toxics = `/proxies/${name}/toxics`
      return {
        port: listenPort,
        poison: async (those) => {
          for (const toxic of those) await ask('POST', toxics, { toxicity: 1, ...toxic })
        },
        heal: async () => {
          const present = (await ask('GET', toxics)) as { name: string }[]
          for (const toxic of present) await ask('DELETE', `${toxics}/${toxic.name}`)
        },
      }
    },
    stop: server.stop,
  }
}

/** A directory that holds the program `server`. */
function toxiproxyProgram(): Promise<string> {
  return cached('toxiproxy', [source], async (directory) => {
    const go = requireProgram('go', 'Install Go 1.24.6 or later and put it on PATH.')
    await runTool(go, ['install', '-trimpath', '-ldflags=-s -w', source], {
      env: { ...process.env, GOBIN: directory },
    })
  })
}
