// A real Redis on loopback.
import { freePort, accepts } from './port.ts'
import { scratch, startServer, type Server } from './server.ts'
import { installedProgram } from './tool.ts'

export interface RedisOptions {
  /**
   * `durable`: what the call journal's promise needs (every write synced before it is answered, nothing evicted).
   * `volatile`: what a plain cache is: nothing kept across a restart, keys evicted when memory is short.
   */
  readonly mode?: 'durable' | 'volatile'
  /** A node of a Redis Cluster, which serves the slots that it is given and no other. */
  readonly cluster?: boolean
}

export interface Redis extends Server {
  readonly port: number
  /** For `REDIS_URL`. */
  readonly url: string
}

const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction']
const volatile = ['--appendonly', 'no', '--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru']

export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const command = await installedProgram('redis-server', 'redis-server')
  const port = await freePort()
  const directory = scratch('redis')
  const keeping = options.mode === 'volatile' ? volatile : durable
  // The port of the cluster's bus is said, because the default is this one + 10,000: among those of outgoing connections.
  const clustered = options.cluster
    ? [
        '--cluster-enabled',
        'yes',
        '--cluster-require-full-coverage',
        'no',
        '--cluster-port',
        String(await freePort()),
      ]
    : []
  const server = await startServer({
    name: 'redis',
    command,
    args: [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      directory,
      ...keeping,
      ...clustered,
    ],
    directory,
    ready: async (log) => log().includes('Ready to accept connections') && (await accepts(port)),
    readyTimeoutMs: 10_000,
    stopSignal: 'SIGTERM',
  })
  const url = `redis://127.0.0.1:${port}`
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors({ port, url })) as Redis
}
