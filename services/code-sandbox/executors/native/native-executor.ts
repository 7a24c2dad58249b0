// CPython of this machine, confined by the kernel: full speed, and packages such as numpy. Linux only.
import { programOnPath } from '../program.ts'
import { SessionExecutor, type CommonOptions, type InterpreterSource } from '../session-executor.ts'
import { findPython } from './python.ts'
import { Zygote, startFailure, type ZygoteOptions } from './zygote.ts'

export interface NativeOptions extends CommonOptions {
  /** Memory of one session. */
  readonly memoryMb: number
  /** Processes at once; a waiting one takes some 3 MB plus its program's data. */
  readonly maxChildren: number
  /** Default: python3. */
  readonly python?: string
  /** Packages installed for that Python; steps may import them. */
  readonly packages?: readonly string[]
  /** Namespaces by bubblewrap. true: required; false: not used; default: if they work. */
  readonly namespaces?: boolean
}

export class NativeExecutor extends SessionExecutor {
  constructor(options: NativeOptions) {
    super('native', nativeSource(options), { ...options, max: options.maxChildren, warm: 0 })
  }
}

/** One zygote, started at first use and again when it has died. */
function nativeSource(options: NativeOptions): InterpreterSource {
  let zygote: Promise<Zygote> | null = null
  let up: Zygote | null = null
  let weakness: string | null = null
  const start = async (): Promise<Zygote> => {
    const started = await startZygote(options)
    weakness = started.weakness
    return (up = started.zygote)
  }
  const running = (): Promise<Zygote> => {
    if (zygote && up?.alive !== false) return zygote
    up = null
    zygote = start()
    zygote.catch(() => (zygote = null))
    return zygote
  }
  return {
    start: async () => (await running()).connect(),
    check: async () => await probe(await running()),
    weakness: () => weakness,
    close: async () => await (await zygote?.catch(() => null))?.close(),
  }
}

/**
 * Starts with namespaces if bubblewrap can make them, else without; not at all if a session can't be
 * confined.
 */
async function startZygote(options: NativeOptions): Promise<{ zygote: Zygote; weakness: string | null }> {
  if (process.platform !== 'linux') throw startFailure(`this is ${process.platform}`)
  const python = await findPython(options.python ?? 'python3')
  const { memoryMb, packages = [] } = options
  const attempt = async (bubblewrap: string | null, weakness: string | null) => ({
    zygote: await startProbed({ python, memoryMb, packages, bubblewrap }),
    weakness,
  })
  const found = options.namespaces === false ? null : programOnPath('bwrap')
  if (!found && options.namespaces) throw startFailure('bwrap is not on PATH')
  if (!found) return await attempt(null, weakened('bwrap is not on PATH: install bubblewrap'))
  if (options.namespaces) return await attempt(found, null)
  return await attempt(found, null).catch((error: Error) =>
    attempt(null, weakened(`bubblewrap does not work here (${error.message})`)),
  )
}

const weakened = (why: string) =>
  `without namespaces, only the system-call filter and the memory limit confine it: ${why}`

async function startProbed(options: ZygoteOptions): Promise<Zygote> {
  try {
    const zygote = await Zygote.start(options)
    await probe(zygote).catch(async (error: unknown) => {
      await zygote.close()
      throw error
    })
    return zygote
  } catch (error) {
    throw startFailure(error)
  }
}

/** Whether a session can be confined. */
async function probe(zygote: Zygote): Promise<void> {
  const session = zygote.connect()
  await session.ready
  session.kill('it was a probe')
  await session.ended
}
