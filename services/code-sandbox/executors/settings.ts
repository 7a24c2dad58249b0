// Settings of the executors, from the configuration and the environment.
import type { Environment } from '../../../runtime/config/environment.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { WasmOptions } from './wasm/wasm-executor.ts'

/** A session that waits longer is not worth its memory: its log rebuilds it in milliseconds. */
const DEFAULT_IDLE_MS = 60_000

/**
 * More programs at once only slow each other down. A session that waits for a tool releases its interpreter
 * on demand.
 */
const defaultChildren = (cores: number) => Math.max(4, 2 * cores)

export interface SessionLimits {
  readonly memoryMb: number
  readonly maxChildren: number
  readonly idleMs: number
}

/**
 * Limits of every executor of this process. FLOTILLA_SANDBOX_CHILDREN: interpreters at once, per executor
 * (default twice the cores, at least 4). FLOTILLA_SANDBOX_IDLE_MS: how long one is kept for a session that
 * waits.
 */
export function sessionLimits(fleet: Fleet, { raw }: Environment, cores: number): SessionLimits {
  return {
    memoryMb: fleet.limits.codeMemoryMb,
    maxChildren: wholeNumber(raw, 'FLOTILLA_SANDBOX_CHILDREN', 1, 1_000) ?? defaultChildren(cores),
    idleMs: wholeNumber(raw, 'FLOTILLA_SANDBOX_IDLE_MS', 10, 86_400_000) ?? DEFAULT_IDLE_MS,
  }
}

/** FLOTILLA_CACHE: where the interpreter is unpacked (default: the system's temporary directory). */
export function wasmOptions({ raw }: Environment): Pick<WasmOptions, 'warmChildren' | 'cacheDir'> {
  const cacheDir = raw['FLOTILLA_CACHE']
  return { warmChildren: 1, ...(cacheDir ? { cacheDir } : {}) }
}

function wholeNumber(raw: Environment['raw'], name: string, least: number, most: number): number | null {
  const text = raw[name]
  if (!text) return null
  const count = Number(text)
  if (Number.isInteger(count) && count >= least && count <= most) return count
  throw new FlotillaError('CONFIG_INVALID', `${name} is '${text}'; give a number from ${least} to ${most}`)
}
