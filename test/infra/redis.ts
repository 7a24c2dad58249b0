// A real Redis on loopback.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
  /** Serves TLS only, and demands a certificate of this authority. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
  /** The only user, instead of one without a password. */
  readonly user?: { readonly name: string; readonly password: string }
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
  const { user } = options
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
      ...portsOf(port, options.tls),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      directory,
      ...keeping,
      ...clustered,
      ...(user ? ['--aclfile', aclFile(directory, user)] : []),
    ],
    directory,
    ready: async (log) => log().includes('Ready to accept connections') && (await accepts(port)),
    stopSignal: 'SIGTERM',
  })
  const url = `${options.tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors({ port, url })) as Redis
}

function portsOf(port: number, tls: RedisOptions['tls']): string[] {
  if (!tls) return ['--port', String(port)]
  const files = ['--tls-ca-cert-file', tls.ca, '--tls-cert-file', tls.cert, '--tls-key-file', tls.key]
  return ['--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'yes']
}

function aclFile(directory: string, { name, password }: NonNullable<RedisOptions['user']>): string {
  const path = join(directory, 'users.acl')
  writeFileSync(path, `user default off\nuser ${name} on >${password} ~* &* +@all\n`)
  return path
}
