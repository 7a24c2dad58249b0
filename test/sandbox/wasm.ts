// The wasm executor for the conformance suite.
import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { WasmExecutor, type WasmOptions } from '../../services/code-sandbox/executors/wasm/wasm-executor.ts'
import { killIfThere } from '../support/kill.ts'
import type { Subject } from './suite/subject.ts'

export const createWasm = (options: Partial<WasmOptions> = {}): WasmExecutor =>
  new WasmExecutor({ memoryMb: 256, maxChildren: 4, warmChildren: 1, ...options })

function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  return children.map(Number).flatMap((child) => [child, ...descendants(child)])
}

const isPython = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('child.mts')

/** Of this process, whatever executor started them. */
export const pythonProcesses = (): number[] => descendants(process.pid).filter(isPython)

export const wasm: Subject<WasmExecutor> = {
  name: 'wasm',
  capabilities: { sameAddresses: true, sleepsJump: true, packages: [] },
  create: ({ memoryMb, maxLive, variant } = {}) =>
    createWasm({
      bubblewrap: !variant,
      ...(memoryMb && { memoryMb }),
      ...(maxLive && { maxChildren: maxLive }),
    }),
  live: (executor) => executor.children,
  async crash(executor) {
    for (const pid of pythonProcesses()) killIfThere(pid)
    while (executor.children > 0) await setImmediate()
  },
}
