// A real Docker engine of the tests' own: its own data, its own socket, no network, or networks that lead nowhere. There is
// no image hub to rely on, so the base image of deploy/sandbox.Dockerfile is made from this machine's python3, and the image
// built from it as users do.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { cached } from './cache.ts'
import { scratch, startServer, type Server } from './server.ts'
import { installedProgram, runTool } from './tool.ts'

export interface DockerEngine extends Server {
  /** For `DOCKER_HOST`. */
  readonly host: string
}

const repository = resolve(import.meta.dirname, '../..')
const dockerfile = 'deploy/sandbox.Dockerfile'
const SYSTEM_PYTHON = '/usr/bin/python3'

/** An engine that holds the image `flotilla-sandbox`. */
export async function startDocker(): Promise<DockerEngine> {
  const engine = await startEngine()
  try {
    await buildImage(await installedProgram('docker', 'docker.io'), engine.host)
    return engine
  } catch (error) {
    await engine.stop()
    throw error
  }
}

/**
 * An engine without images. Its containers have no network; `isNetworked`: networks of their own, in a network namespace
 * of the engine's, which its process has too.
 */
export async function startEngine({ isNetworked = false } = {}): Promise<DockerEngine> {
  if (process.getuid?.() !== 0) throw new Error('a Docker engine for the tests needs root: run them as root')
  const dockerd = await installedProgram('dockerd', 'docker.io')
  await installedProgram('containerd', 'containerd')
  const directory = scratch('docker')
  const host = `unix://${join(directory, 'socket')}`
  const own = [['data-root', 'data'], ['exec-root', 'exec'], ['pidfile', 'pid']] as const // prettier-ignore
  const args = [`--host=${host}`, ...own.map(([option, name]) => `--${option}=${join(directory, name)}`)]
  const apart = ['--net', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', dockerd, ...args]
  const server = await startServer({
    name: 'docker',
    command: isNetworked ? 'unshare' : dockerd,
    args: isNetworked ? apart : [...args, '--bridge=none', '--iptables=false'],
    directory,
    ready: async (log) => log().includes('API listen on'),
    stopSignal: 'SIGTERM',
  })
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors({ host })) as DockerEngine
}

async function buildImage(client: string, host: string): Promise<void> {
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: '0' }
  const text = readFileSync(join(repository, dockerfile), 'utf8')
  const base = /^FROM (\S+)$/m.exec(text)?.[1] ?? ''
  await runTool(client, ['import', await pythonArchive(), base], { env })
  const build = ['build', '--network=none', '-q', '-f', dockerfile, '-t', 'flotilla-sandbox', '.']
  await runTool(client, build, { env, cwd: repository })
}

/** Path of an archive of a file system with python3. */
export async function pythonArchive(): Promise<string> {
  const python = await installedProgram(SYSTEM_PYTHON.slice('/usr/bin/'.length), 'python3')
  const from = existsSync(SYSTEM_PYTHON) ? SYSTEM_PYTHON : python
  const inputs = [await runTool(from, ['--version']), readFileSync(import.meta.filename, 'utf8')]
  const folder = await cached('sandbox-base', inputs, (target) => makeBase(from, target))
  return join(folder, 'base.tar')
}

/** A file system with python3, its library, a shell, and the shared libraries that these load. */
async function makeBase(python: string, target: string): Promise<void> {
  const root = join(target, 'root')
  const put = (path: string) => {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    cpSync(path, join(root, path), { dereference: true, recursive: true, filter: wanted })
  }
  const find = ['-c', 'import sys, sysconfig; print(sysconfig.get_path("stdlib"), sys.executable)']
  const [library = '', executable = ''] = (await runTool(python, find)).trim().split(' ')
  const modules = join(library, 'lib-dynload')
  const loaded = [executable, '/bin/sh', ...readdirSync(modules).map((name) => join(modules, name))]
  const listed = await Promise.all(loaded.map((file) => runTool('ldd', [file])))
  const libraries = new Set(listed.join('\n').match(/\/\S+\.so\S*/g))
  for (const path of [library, executable, '/bin/sh', '/usr/share/zoneinfo', ...libraries]) put(path)
  if (executable !== '/usr/bin/python3') {
    mkdirSync(join(root, 'usr/bin'), { recursive: true })
    symlinkSync(executable, join(root, 'usr/bin/python3'))
  }
  for (const folder of ['proc', 'sys', 'dev', 'etc', 'tmp'])
    mkdirSync(join(root, folder), { recursive: true })
  // As in every image of Debian.
  chmodSync(join(root, 'tmp'), 0o1777)
  await runTool('tar', ['-C', root, '-cf', join(target, 'base.tar'), '.'])
}

const wanted = (path: string) =>
  !/\/(test|tests|__pycache__|idlelib|ensurepip|site-packages|dist-packages)$/.test(path)
