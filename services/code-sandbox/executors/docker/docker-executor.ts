// A container for each session, on a Docker engine of this or another machine (DOCKER_HOST).
//
// 1. The engine confines it: no network, a read-only file system, no capability, no new privilege, the user
//    nobody, limits of memory, CPU and processes. Inside, the program confines itself as under the native
//    executor (sandbox_jail.py).
// 2. A container ends with its attached stream, and is removed when it ends.
import type { Duplex } from 'node:stream'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { Interpreter } from '../interpreter.ts'
import { Engine, engineAddress, EngineRefusal, splitOutputs } from './engine.ts'
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
  const image = options.image ?? SANDBOX_IMAGE
  const attempt = async <T>(work: (engine: Engine) => Promise<T>): Promise<T> => {
    try {
      return await work(new Engine(engineAddress(process.env)))
    } catch (error) {
      throw unavailable(error, image)
    }
  }
  return {
    start: () => attempt((engine) => startContainer(engine, image, options)),
    check: async () => {
      await attempt((engine) => engine.call('GET', `/images/${encodeURIComponent(image)}/json`))
    },
  }
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

const ATTACHED = 'attach?stream=1&stdin=1&stdout=1&stderr=1'

async function startContainer(engine: Engine, image: string, options: DockerOptions): Promise<Interpreter> {
  const { Id } = (await engine.call('POST', '/containers/create', containerOptions(image, options))) as {
    Id: string
  }
  const container = `/containers/${Id}`
  try {
    const stream = await engine.attach(`${container}/${ATTACHED}`)
    const gone = engine.call('POST', `${container}/wait?condition=next-exit`) as Promise<Ended>
    gone.catch(() => {})
    await engine.call('POST', `${container}/start`)
    return interpreterOn(engine, container, stream, gone)
  } catch (error) {
    await engine.call('DELETE', `${container}?force=1`).catch(() => {})
    throw error
  }
}

interface Ended {
  readonly StatusCode: number
}

function interpreterOn(engine: Engine, container: string, stream: Duplex, gone: Promise<Ended>): Interpreter {
  const interpreter = new Interpreter({
    write: (bytes) => void stream.write(bytes),
    kill: () => {
      stream.end()
      // Removed already, or being removed: both are fine.
      engine.call('POST', `${container}/kill?signal=SIGKILL`).catch(() => {})
    },
  })
  let said = ''
  stream.on('error', () => {})
  stream.on(
    'data',
    splitOutputs({
      out: (bytes) => interpreter.receive(bytes),
      errors: (bytes) => (said = (said + bytes.toString()).slice(-STDERR_CHARS)),
    }),
  )
  gone.then(
    ({ StatusCode }) => interpreter.closed(`the process ended (${StatusCode}) ${said.trim()}`),
    // The engine is gone, and the stream with it: the session must be rebuilt.
    (error: Error) => interpreter.closed(`the process ended (SIGKILL) ${error.message}`),
  )
  return interpreter
}

function unavailable(error: unknown, image: string): FlotillaError {
  const remedy =
    error instanceof EngineRefusal && error.statusCode === 404
      ? `There is no image ${image}; build it: docker build -f deploy/sandbox.Dockerfile -t ${image} .`
      : 'Start a Docker engine here, or name one in DOCKER_HOST.'
  return new FlotillaError('SANDBOX_UNAVAILABLE', `the docker executor: ${messageOf(error)}. ${remedy}`, {
    cause: error,
  })
}
