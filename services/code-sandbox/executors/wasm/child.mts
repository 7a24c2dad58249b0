// The locked process: one interpreter at a time, each for one session. Started by locked-child.ts with
// nothing but its two pipes.
//
// Frames both ways are a 4-byte little-endian length and JSON. In: {t:'step', …} and, while Python waits for
// its calls, {t:'results', …}, or {renew: true}: the interpreter is dropped with all of its memory, and
// replaced by another. Out: ready, out (printed text), calls, finished, trap.
import { readFileSync, readSync, writeSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { limitMemory } from './memory-limit.mts'
import { freshWorld, setTime, wasi } from './wasi-shim.mts'

interface StepFrame {
  nowMs: number
  seed: string
  limits: { printChars: number; frameBytes: number }
}
interface ResultsFrame {
  nowMs: number
  results: unknown[]
}
interface RenewFrame {
  renew: true
}
/** The used part of WebAssembly: Node's types leave it to the DOM library. */
interface CoreModule {
  readonly kind?: 'module'
}
interface CoreInstance {
  readonly exports: Record<string, unknown>
}
interface CoreMemory {
  readonly buffer: ArrayBuffer
}
type CoreImports = Record<string, Record<string, unknown>>
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => CoreModule
  readonly Instance: new (module: CoreModule, imports: CoreImports) => CoreInstance
  readonly Memory: new (options: object) => CoreMemory
}
interface Component {
  step(request: string): string
}
interface Transpiled {
  instantiate(
    module: (name: string) => CoreModule,
    imports: Record<string, object>,
    instance: (module: CoreModule, imports?: CoreImports) => CoreInstance,
  ): Component
}

/** Thrown through Python that waits for its calls. */
class Renewal extends Error {}

/** After a program that took more, the process is not worth keeping. */
const KEPT_BYTES = 96 * 1_048_576
const BOOT = JSON.stringify({
  n: 0,
  code: '1',
  seed: 'boot',
  tools: [],
  limits: { printChars: 100, valueChars: 100 },
})
/**
 * Below the fleet's own process: computing programs must not delay events, timers and other tasks' tool
 * calls.
 */
const NICENESS = 10
/** The session's program buffers its prints itself; this is for a program that bypasses it. */
const FLUSH_CHARS = 128
/**
 * The session's program respects the limit itself, in characters of Python; this is for a program that
 * bypasses it.
 */
const UNITS = 2
const [directory = '', memoryMb = '256'] = process.argv.slice(2)
const world = freshWorld()
const waiter = new Int32Array(new SharedArrayBuffer(4))
const memories: CoreMemory[] = []
let printed = ''
let errors = ''
let kept = 0
let dropped = 0
let limits = { printChars: 0, frameBytes: 1_000_000 }

/** Pipes may be non-blocking: retries after a millisecond. */
function patiently<T>(operation: () => T): T {
  for (;;) {
    try {
      return operation()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(waiter, 0, 0, 1)
    }
  }
}

function read(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length;) {
    const count = patiently(() => readSync(0, bytes, at, length - at, null))
    if (count === 0) process.exit(0)
    at += count
  }
  return bytes
}

function receive<T extends object>(): T | RenewFrame {
  return JSON.parse(read(read(4).readUInt32LE(0)).toString('utf8')) as T | RenewFrame
}

function send(frame: object): void {
  const body = Buffer.from(JSON.stringify(frame))
  const bytes = Buffer.allocUnsafe(4 + body.length)
  bytes.writeUInt32LE(body.length)
  body.copy(bytes, 4)
  for (let at = 0; at < bytes.length;) at += patiently(() => writeSync(1, bytes, at))
}

function print(text: string): void {
  const room = limits.printChars * UNITS - kept
  const part = text.length <= room ? text : text.slice(0, room)
  kept += part.length
  dropped += text.length - part.length
  printed += part
  if (printed.length >= FLUSH_CHARS) flush()
}

/**
 * The interpreter's own output; Python's prints do not pass here. From a stopped interpreter it is useless to
 * a model.
 */
function printError(text: string): void {
  if (errors.length < limits.printChars) errors += text
}

function flush(): void {
  if (printed !== '') send({ t: 'out', text: printed })
  printed = ''
}

function callTools(calls: string): string {
  flush()
  if (calls.length > limits.frameBytes * UNITS)
    throw new Error(`arguments of more than ${limits.frameBytes} characters`)
  send({ t: 'calls', calls: JSON.parse(calls) as unknown })
  const frame = receive<ResultsFrame>()
  if ('renew' in frame) throw new Renewal()
  const { nowMs, results } = frame
  setTime(world, nowMs)
  return JSON.stringify({ results })
}

function instance(module: CoreModule, imports?: CoreImports): CoreInstance {
  const made = new WebAssembly.Instance(module, imports ?? {})
  for (const value of Object.values(made.exports))
    if (value instanceof WebAssembly.Memory) memories.push(value)
  return made
}

/** Compiles once; each call of what it returns makes a fresh interpreter, and forgets the last one. */
async function compile(): Promise<() => Component> {
  const { instantiate } = (await import(pathToFileURL(join(directory, 'python.js')).href)) as Transpiled
  const modules = new Map<string, CoreModule>()
  const module = (name: string) => {
    const known = modules.get(name)
    if (known) return known
    const bytes = limitMemory(readFileSync(join(directory, name)), Number(memoryMb))
    const compiled = new WebAssembly.Module(bytes)
    modules.set(name, compiled)
    return compiled
  }
  const imports = { 'flotilla:sandbox/host': { callTools, print }, ...wasi(world, print, printError) }
  return () => {
    memories.length = 0
    printed = errors = ''
    gc?.()
    Object.assign(world, freshWorld())
    const component = instantiate(module, imports, instance)
    component.step(BOOT)
    return component
  }
}

/** Whether the interpreter died at its memory limit. */
function full(): boolean {
  return memories.some((memory) => memory.buffer.byteLength > Number(memoryMb) * 1_048_576 * 0.9)
}

/** False: another interpreter is wanted. */
function step(component: Component, frame: StepFrame): boolean {
  setTime(world, frame.nowMs)
  world.seed = frame.seed
  world.drawn = kept = dropped = 0
  limits = frame.limits
  errors = ''
  try {
    const result = JSON.parse(component.step(JSON.stringify(frame))) as unknown
    print(errors)
    flush()
    send({ t: 'finished', result, dropped })
    return true
  } catch (error) {
    if (error instanceof Renewal) return false
    flush()
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    send({ t: 'trap', message: message.slice(0, 300), full: full() })
    process.exit(9)
  }
}

/** Until another interpreter is wanted. */
function serve(component: Component): void {
  send({ t: 'ready' })
  for (;;) {
    const frame = receive<StepFrame>()
    if ('renew' in frame || !step(component, frame)) return
  }
}

try {
  setPriority(NICENESS)
} catch {
  // A system that does not allow it loses only the priority.
}
const start = await compile()
for (;;) {
  serve(start())
  if (memories.some((memory) => memory.buffer.byteLength > KEPT_BYTES)) process.exit(0)
}
