// A real PostgreSQL on loopback. It refuses to run as root, so root runs it as the package's user.
import { chmodSync, chownSync, copyFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { accepts, freePort } from './port.ts'
import { identity, scratch, startServer, type Server } from './server.ts'
import { installedProgram, requireProgram, runTool } from './tool.ts'

export interface Postgres extends Server {
  readonly port: number
  /** For `DATABASE_URL`: a superuser, no password, the database `postgres`. */
  readonly url: string
}

const user = 'postgres'

export interface PostgresOptions {
  /** Serves TLS only, to clients with a certificate of this authority, and asks for the password. */
  readonly tls?: {
    readonly ca: string
    readonly cert: string
    readonly key: string
    readonly password: string
  }
}

export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const programs = dirname(await installedProgram('initdb', 'postgresql'))
  const port = await freePort()
  const directory = scratch('postgres')
  const data = join(directory, 'data')
  await initialise(join(programs, 'initdb'), directory, data, options.tls?.password)
  // fsync=off: a killed server loses nothing by it, only a killed machine would, and tests run twice as fast.
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  if (options.tls) settings.push(...(await demandTls(options.tls, data)))
  const server = await startServer({
    name: 'postgres',
    command: join(programs, 'postgres'),
    args: ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    user,
    directory,
    ready: async (log) => log().includes('ready to accept connections') && (await accepts(port)),
    cleanSignal: 'SIGINT',
    stopSignal: 'SIGINT',
  })
  const url = `postgres://${user}@127.0.0.1:${port}/postgres`
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors({ port, url })) as Postgres
}

/** The server's own copies, because it refuses a key that others may read. */
async function demandTls(
  { ca, cert, key }: NonNullable<PostgresOptions['tls']>,
  data: string,
): Promise<string[]> {
  const id = process.getuid?.() === 0 ? await ownerOf(user) : null
  for (const [part, path] of Object.entries({ ca, cert, key })) {
    const copy = join(data, `${part}.pem`)
    copyFileSync(path, copy)
    chmodSync(copy, 0o600)
    if (id) chownSync(copy, id.uid, id.gid)
  }
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n',
  )
  return ['ssl=on', 'ssl_ca_file=ca.pem', 'ssl_cert_file=cert.pem', 'ssl_key_file=key.pem']
}

async function ownerOf(name: string): Promise<{ uid: number; gid: number }> {
  const id = async (option: string): Promise<number> => Number(await runTool('id', [option, name]))
  return { uid: await id('-u'), gid: await id('-g') }
}

async function initialise(
  initdb: string,
  directory: string,
  data: string,
  password: string | undefined,
): Promise<void> {
  const passwordFile = join(directory, 'password')
  if (password !== undefined) writeFileSync(passwordFile, password, { mode: 0o644 })
  const create = [
    initdb,
    '-A',
    'trust',
    '-U',
    user,
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
    '--no-sync',
    '-D',
    data,
    ...(password === undefined ? [] : ['--pwfile', passwordFile]),
  ]
  if (process.getuid?.() !== 0) return void (await runTool(initdb, create.slice(1)))
  const { uid, gid } = await ownerOf(user)
  chownSync(directory, uid, gid)
  const setpriv = requireProgram('setpriv', "It is part of Debian's util-linux.")
  await runTool(setpriv, [...identity(user), '--', ...create], { cwd: directory })
}
