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

/** More programs than that at once only slow each other down. A session that waits for a tool gives its place up where it is needed. */
const defaultChildren = (cores: number) => Math.max(4, 2 * cores)

/** What every executor of this process gets. FLOTILLA_SANDBOX_CHILDREN: interpreters at once, of each executor (default twice the cores, at least 4). */
export function sessionLimits(
  fleet: Fleet,
  { raw }: Environment,
  cores: number,
): { memoryMb: number; maxChildren: number } {
  return {
    memoryMb: fleet.limits.codeMemoryMb,
    maxChildren: children(raw['FLOTILLA_SANDBOX_CHILDREN']) ?? defaultChildren(cores),
  }
}

/** FLOTILLA_CACHE: where the interpreter is unpacked (default: the system's temporary directory). */
export function wasmOptions(fleet: Fleet, environment: Environment, cores: number): WasmOptions {
  const cacheDir = environment.raw['FLOTILLA_CACHE']
  return { ...sessionLimits(fleet, environment, cores), warmChildren: 1, ...(cacheDir ? { cacheDir } : {}) }
}

function children(text: string | undefined): number | null {
  if (!text) return null
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= 1_000) return count
  throw new FlotillaError(
    'CONFIG_INVALID',
    `FLOTILLA_SANDBOX_CHILDREN is '${text}'; give a number from 1 to 1000`,
  )
}
