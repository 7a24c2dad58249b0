// The image of deploy/Dockerfile, built by the tests' own engine. No image hub is at hand, so its base is made of this
// machine's Node, under the name that the Dockerfile gives; and packages are installed here, by the Dockerfile's own
// command, because the engine has no network; the console and the command are built here for the same reason, and the
// Python of the target `native` is this machine's.
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cached } from '../infra/cache.ts'
import { buildConsole } from '../../console/build.ts'
import { bundleClone } from '../../deploy/bundle.ts'
import { pythonArchive } from '../infra/docker.ts'
import { runTool } from '../infra/tool.ts'
import { root } from './chart.ts'

const dockerfile = join(root, 'deploy/Dockerfile')
const DEPENDENCIES = 'flotilla-dependencies'
const CONSOLE = 'flotilla-console'
const COMMAND = 'flotilla-command'
const PYTHON = 'flotilla-python'
const BUILD_LIMIT_MS = 900_000

export interface Image {
  readonly name: string
  /** What the fleet adds to the base: packages and sources. */
  readonly ownBytes: number
}

export async function buildImage(target: 'fleet' | 'native' = 'fleet'): Promise<Image> {
  const text = readFileSync(dockerfile, 'utf8')
  const base = /^ARG NODE=(\S+)$/m.exec(text)?.[1] ?? ''
  const [baseBytes] = await Promise.all([
    importBase(base),
    importDependencies(text),
    importBuilt(CONSOLE, 'console/built', buildConsole),
    importBuilt(COMMAND, '.cache/command', (directory) => bundleClone({ directory, isImage: true })),
  ])
  if (target === 'native') await runTool('docker', ['import', await pythonArchive(), PYTHON])
  const name = target === 'native' ? 'flotilla:test-native' : 'flotilla:test'
  const env = { ...process.env, DOCKER_BUILDKIT: '0' }
  const draft = join(dirname(await cachedBase()), 'Dockerfile')
  const local = text
    .replace(stageOf(text, 'dependencies'), `FROM ${DEPENDENCIES} AS dependencies\n\n`)
    .replace(stageOf(text, 'console'), `FROM ${CONSOLE} AS console\n\n`)
    .replace(stageOf(text, 'command'), `FROM ${COMMAND} AS command\n\n`)
    .replace(/^RUN apt-get .*$/m, `COPY --from=${PYTHON} / /`)
  writeFileSync(draft, local)
  const build = ['build', '--network=none', '-q', '--target', target, '-f', draft, '-t', name, root]
  await runTool('docker', build, { env, timeoutMs: BUILD_LIMIT_MS })
  return { name, ownBytes: (await sizeOf(name)) - baseBytes }
}

const sizeOf = async (name: string): Promise<number> =>
  Number(await runTool('docker', ['image', 'inspect', '--format', '{{.Size}}', name]))

/** Text of a stage. */
function stageOf(text: string, name: string): string {
  const found = new RegExp(`^FROM \\S+ AS ${name}\\n[\\s\\S]*?(?=^FROM )`, 'm').exec(text)?.[0]
  if (found === undefined) throw new Error(`deploy/Dockerfile has no stage ${name}`)
  return found
}

async function importBase(name: string): Promise<number> {
  await runTool('docker', ['import', await cachedBase(), name])
  return sizeOf(name)
}

/** A file system with Node, a shell, and the libraries that these load. */
async function cachedBase(): Promise<string> {
  const inputs = [process.version, readFileSync(import.meta.filename, 'utf8')]
  const folder = await cached('node-base', inputs, async (target) => {
    const files = join(target, 'root')
    const put = (from: string, to = from): void => {
      mkdirSync(dirname(join(files, to)), { recursive: true })
      copyFileSync(from, join(files, to))
      chmodSync(join(files, to), 0o755)
    }
    put(process.execPath, '/usr/local/bin/node')
    put('/bin/sh')
    const listed = await Promise.all([process.execPath, '/bin/sh'].map((file) => runTool('ldd', [file])))
    for (const library of new Set(listed.join('\n').match(/\/\S+\.so\S*/g))) put(library)
    for (const empty of ['proc', 'sys', 'dev', 'etc', 'tmp', 'run'])
      mkdirSync(join(files, empty), { recursive: true })
    chmodSync(join(files, 'tmp'), 0o1777)
    await runTool('tar', ['-C', files, '-cf', join(target, 'base.tar'), '.'])
    rmSync(files, { recursive: true })
  })
  return join(folder, 'base.tar')
}

/** What the stage leaves in its working directory. */
async function importDependencies(text: string): Promise<void> {
  const command = /^RUN (npm ci(?:.*\\\n)*.*)$/m.exec(stageOf(text, 'dependencies'))?.[1]
  if (command === undefined) throw new Error('the stage dependencies runs no npm ci')
  const needed = ['package.json', 'package-lock.json']
  const inputs = [command, ...needed.map((name) => readFileSync(join(root, name), 'utf8'))]
  const folder = await cached('image-dependencies', inputs, async (target) => {
    const app = join(target, 'root/app')
    mkdirSync(app, { recursive: true })
    for (const name of needed) copyFileSync(join(root, name), join(app, name))
    await runTool('sh', ['-c', command.replaceAll('\\\n', '')], { cwd: app, timeoutMs: BUILD_LIMIT_MS })
    await runTool('tar', ['-C', join(target, 'root'), '-cf', join(target, 'dependencies.tar'), '.'])
    rmSync(join(target, 'root'), { recursive: true })
  })
  await runTool('docker', ['import', join(folder, 'dependencies.tar'), DEPENDENCIES])
}

/** A stage of what is built here, below the image's working directory. */
async function importBuilt(
  stage: string,
  place: string,
  build: (directory: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), `${stage}-`))
  const directory = join(folder, 'app', place)
  try {
    mkdirSync(dirname(directory), { recursive: true })
    await build(directory)
    await runTool('tar', ['-C', folder, '-cf', `${folder}.tar`, '.'])
    await runTool('docker', ['import', `${folder}.tar`, stage])
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(`${folder}.tar`, { force: true })
  }
}
