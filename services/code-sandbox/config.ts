import type { Environment } from '../../runtime/config/environment.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { WasmOptions } from './executors/wasm/wasm-executor.ts'

/** What `default` means in a profile. */
export const DEFAULT_EXECUTOR = 'wasm'

/** Limits of every step, whatever the executor. */
export const limits = {
  toolCalls: 1_000,
  printChars: 100_000,
  valueChars: 500_000,
  /** Code and tool results that a task's session keeps for its rebuilding. */
  sessionChars: 16_000_000,
} as const

const DEFAULT_CHILDREN = 8

/** What every executor of this process gets. FLOTILLA_SANDBOX_CHILDREN: interpreters at once, of each executor (default 8). */
export function sessionLimits(fleet: Fleet, { raw }: Environment): { memoryMb: number; maxChildren: number } {
  return {
    memoryMb: fleet.limits.codeMemoryMb,
    maxChildren: children(raw['FLOTILLA_SANDBOX_CHILDREN']),
  }
}

/** FLOTILLA_CACHE: where the interpreter is unpacked (default: the system's temporary directory). */
export function wasmOptions(fleet: Fleet, environment: Environment): WasmOptions {
  const cacheDir = environment.raw['FLOTILLA_CACHE']
  return { ...sessionLimits(fleet, environment), warmChildren: 1, ...(cacheDir ? { cacheDir } : {}) }
}

function children(text: string | undefined): number {
  if (!text) return DEFAULT_CHILDREN
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= 1_000) return count
  throw new FlotillaError(
    'CONFIG_INVALID',
    `FLOTILLA_SANDBOX_CHILDREN is '${text}'; give a number from 1 to 1000`,
  )
}
