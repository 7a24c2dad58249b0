// A container for each session, on a Docker engine of this or another machine (DOCKER_HOST).
//
// 1. The engine confines it: no network, a read-only file system, no capability, no new privilege, the user
//    nobody, limits of memory, CPU and processes. Inside, the program confines itself as under the native
//    executor (sandbox_jail.py).
// 2. A container ends with its attached stream, and is removed when it ends.
import Docker from 'dockerode'
import { PassThrough } from 'node:stream'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { Interpreter } from '../interpreter.ts'
import { SessionExecutor, type CommonOptions, type InterpreterSource } from '../session-executor.ts'

export interface DockerOptions extends CommonOptions {
  /** Memory of one session, with everything in its container. */
  readonly memoryMb: number
  /** Containers at once. */
  readonly maxChildren: number
  /** Containers started ahead of need. Default 1. */
  readonly warmChildren?: number
  /** Built from deploy/sandbox.Dockerfile. Default flotilla-sandbox. */
  readonly image?: string
  /** Packages in the image; steps may import them. */
  readonly packages?: readonly string[]
}

export const SANDBOX_IMAGE = 'flotilla-sandbox'
const STDERR_CHARS = 2_000
const PROCESSES = 8

export class DockerExecutor extends SessionExecutor {
  constructor(options: DockerOptions) {
    const { maxChildren: max, warmChildren: warm = 1 } = options
    super('docker', dockerSource(options), { ...options, max, warm })
  }
}

function dockerSource(options: DockerOptions): InterpreterSource {
  // Uses DOCKER_HOST and related variables, or the socket of this machine.
  const docker = new Docker()
  const image = options.image ?? SANDBOX_IMAGE
  return {
    start: async () => {
      try {
        refuseSsh(docker)
        return await startContainer(docker, image, options)
      } catch (error) {
        throw unavailable(error, image)
      }
    },
    check: async () => {
      try {
        refuseSsh(docker)
        await docker.getImage(image).inspect()
      } catch (error) {
        throw unavailable(error, image)
      }
    },
  }
}

/**
 * The ssh client of dockerode is left out (package.json, overrides): it would compile native code at every
 * install.
 */
function refuseSsh(docker: Docker): void {
  const { protocol } = docker.modem as { protocol?: string }
  if (protocol === 'ssh')
    throw new Error('DOCKER_HOST over ssh:// is not supported; forward its socket with ssh -L and name that')
}

function containerOptions(image: string, { memoryMb, packages = [] }: DockerOptions) {
  const memory = memoryMb * 1_048_576
  return {
    Image: image,
    Cmd: [String(memoryMb), 'frames', ...packages],
    Labels: { 'flotilla.sandbox': 'session' },
    Hostname: 'sandbox',
    User: '65534:65534',
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true, OpenStdin: true, StdinOnce: true },
    NetworkDisabled: true,
    HostConfig: {
      AutoRemove: true,
      NetworkMode: 'none',
      IpcMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Memory: memory,
      // Same as Memory: no swap.
      MemorySwap: memory,
      NanoCpus: 1_000_000_000,
      PidsLimit: PROCESSES,
      LogConfig: { Type: 'none', Config: {} },
    },
  }
}

async function startContainer(docker: Docker, image: string, options: DockerOptions): Promise<Interpreter> {
  const container = await docker.createContainer(containerOptions(image, options))
  try {
    const all = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true }
    const stream = await container.attach(all)
    const gone = container.wait({ condition: 'next-exit' }) as Promise<{ StatusCode: number }>
    gone.catch(() => {})
    await container.start()
    return interpreterOn(docker, container, stream, gone)
  } catch (error) {
    await container.remove({ force: true }).catch(() => {})
    throw error
  }
}

function interpreterOn(
  docker: Docker,
  container: Docker.Container,
  stream: NodeJS.ReadWriteStream,
  gone: Promise<{ StatusCode: number }>,
): Interpreter {
  const interpreter = new Interpreter({
    write: (bytes) => void stream.write(bytes),
    kill: () => {
      stream.end()
      // Removed already, or being removed: both are fine.
      container.kill({ signal: 'SIGKILL' }).catch(() => {})
    },
  })
  const [out, errors] = [new PassThrough(), new PassThrough()]
  let said = ''
  docker.modem.demuxStream(stream, out, errors)
  stream.on('error', () => {})
  out.on('data', (chunk: Buffer) => interpreter.receive(chunk))
  errors.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-STDERR_CHARS)))
  gone.then(
    ({ StatusCode }) => interpreter.closed(`the process ended (${StatusCode}) ${said.trim()}`),
    // The engine is gone, and the stream with it: the session must be rebuilt.
    (error: Error) => interpreter.closed(`the process ended (SIGKILL) ${error.message}`),
  )
  return interpreter
}

function unavailable(error: unknown, image: string): FlotillaError {
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  const remedy =
    statusCode === 404
      ? `There is no image ${image}; build it: docker build -f deploy/sandbox.Dockerfile -t ${image} .`
      : 'Start a Docker engine here, or name one in DOCKER_HOST.'
  return new FlotillaError(
    'SANDBOX_UNAVAILABLE',
    `the docker executor: ${message ?? String(error)}. ${remedy}`,
    {
      cause: error,
    },
  )
}
