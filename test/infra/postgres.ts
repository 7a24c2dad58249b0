// A real PostgreSQL on loopback. It refuses to run as root, so root runs it as the package's user.
import { chownSync } from 'node:fs'
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

export async function startPostgres(): Promise<Postgres> {
  const programs = dirname(await installedProgram('initdb', 'postgresql'))
  const port = await freePort()
  const directory = scratch('postgres')
  const data = join(directory, 'data')
  await initialise(join(programs, 'initdb'), directory, data)
  // fsync=off: a killed server loses nothing by it, only a killed machine would, and tests run twice as fast.
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const server = await startServer({
    name: 'postgres',
    command: join(programs, 'postgres'),
    args: ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    user,
    directory,
    ready: async (log) => log().includes('ready to accept connections') && (await accepts(port)),
    readyTimeoutMs: 30_000,
    cleanSignal: 'SIGINT',
    stopSignal: 'SIGINT',
  })
  const url = `postgres://${user}@127.0.0.1:${port}/postgres`
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors({ port, url })) as Postgres
}

async function initialise(initdb: string, directory: string, data: string): Promise<void> {
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
  ]
  if (process.getuid?.() !== 0) return void (await runTool(initdb, create.slice(1)))
  const id = async (option: string): Promise<number> => Number(await runTool('id', [option, user]))
  chownSync(directory, await id('-u'), await id('-g'))
  const setpriv = requireProgram('setpriv', "It is part of Debian's util-linux.")
  await runTool(setpriv, [...identity(user), '--', ...create], { cwd: directory })
}
