// CPython in WebAssembly in locked processes of this machine: the executor that needs nothing installed.
import { tmpdir } from 'node:os'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { SessionExecutor, type CommonOptions, type InterpreterSource } from '../session-executor.ts'
import { unpack } from './artefact.ts'
import { findBubblewrap, startLockedChild, type ChildOptions } from './locked-child.ts'

export interface WasmOptions extends CommonOptions {
  /** Memory of one session. */
  readonly memoryMb: number
  /** Processes at once; each takes about 130 MB plus its program's memory. */
  readonly maxChildren: number
  /** Processes started ahead of need. */
  readonly warmChildren: number
  /** Where the interpreter is unpacked. */
  readonly cacheDir?: string
  /** Default: bubblewrap if it works. */
  readonly bubblewrap?: boolean
}

export class WasmExecutor extends SessionExecutor {
  constructor(options: WasmOptions) {
    super('wasm', wasmSource(options), { ...options, max: options.maxChildren, warm: options.warmChildren })
  }
}

/** Unpacks the interpreter and looks for bubblewrap, once; after a failure, again. */
function wasmSource(options: WasmOptions): InterpreterSource {
  let prepared: Promise<ChildOptions> | null = null
  const prepare = () =>
    (prepared ??= preparation(options).catch((error: unknown) => {
      prepared = null
      throw error
    }))
  return {
    start: async () => startLockedChild(await prepare()),
    check: async () => void (await prepare()),
  }
}

async function preparation(options: WasmOptions): Promise<ChildOptions> {
  const { cacheDir = tmpdir(), memoryMb, bubblewrap = true } = options
  try {
    const directory = await unpack(cacheDir)
    return { directory, memoryMb, bubblewrap: bubblewrap ? await findBubblewrap() : null }
  } catch (error) {
    if (error instanceof FlotillaError) throw error
    const said = messageOf(error)
    throw new FlotillaError('SANDBOX_UNAVAILABLE', `unpacking the interpreter into ${cacheDir}: ${said}`, {
      cause: error,
    })
  }
}
