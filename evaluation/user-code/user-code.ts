// An author's code, in a thread of its own: it may loop, take all memory, or end its process.
//
// 1. Work runs beside other work, as long as the thread answers. Work that takes too long is given up.
// 2. A thread that does not answer is ended. Whose work held it up is not known, so what ran in it is done again, from
//    then on one at a time; work that holds its thread up alone is given up. Likewise if the thread ended by itself.
// 3. A new thread loads again what was loaded, in the same order: the functions have the same numbers.
// 4. What it prints goes where this process prints. An idle thread does not keep the process alive.
// 5. V8 bounds the thread's heap. What lies outside of it, such as buffers, shows in the memory of the process: a thread in
//    whose time that grows by more than the limit is ended.
import { Worker } from 'node:worker_threads'
import type { Answer, Score } from '../cases.ts'
import type { FromThread, FunctionRef, GivenModule, ToThread, Work } from './messages.ts'

/** A data set may be fetched from elsewhere. */
const LOAD_MS = 300_000
const SCORE_MS = 60_000
const ANSWER_MS = 2_000
const MEMORY_MB = 2_048
const LOOK_MS = 200
/** What the thread itself takes, and the rest of the process meanwhile. */
const BESIDE_MB = 256
const MEGABYTE = 1_048_576

/** Installed, the script is JavaScript. */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const script = new URL(new URL('./thread.ts', import.meta.url).href.replace(/ts$/, extension))

export interface UserCodeLimits {
  readonly loadMs?: number
  readonly scoreMs?: number
  readonly memoryMb?: number
}

interface Pending {
  readonly work: Work
  readonly withinMs: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  timer?: NodeJS.Timeout | undefined
}

export class UserCode {
  readonly #limits: Required<UserCodeLimits>
  readonly #loaded: { readonly work: Work; readonly sources: string }[] = []
  readonly #running = new Map<number, Pending>()
  #waiting: Pending[] = []
  #thread: Worker | null = null
  #starting = false
  #isSerial = false
  #ids = 0

  constructor({ loadMs = LOAD_MS, scoreMs = SCORE_MS, memoryMb = MEMORY_MB }: UserCodeLimits = {}) {
    this.#limits = { loadMs, scoreMs, memoryMb }
  }

  /** Rejects with what is wrong with it. */
  async module(path: string): Promise<GivenModule> {
    return (await this.#load({ do: 'module', path })) as GivenModule
  }

  async function(url: string, name: string): Promise<FunctionRef> {
    return (await this.#load({ do: 'function', url, name })) as FunctionRef
  }

  /** Rejects with a message that continues the name of the scorer. */
  async score(at: number, answer: Answer): Promise<Score> {
    return (await this.#run({ do: 'score', at, answer }, this.#limits.scoreMs)) as Score
  }

  async close(): Promise<void> {
    await this.#thread?.terminate()
  }

  async #load(work: Work): Promise<unknown> {
    const value = await this.#run(work, this.#limits.loadMs)
    this.#loaded.push({ work, sources: sourcesOf(value) })
    return value
  }

  #run(work: Work, withinMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, withinMs, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    if (this.#waiting.length === 0 || this.#starting) return
    if (this.#thread === null) return void this.#start()
    while (this.#waiting.length > 0 && !(this.#isSerial && this.#running.size > 0)) {
      const pending = this.#waiting.shift()
      if (pending) this.#begin(this.#thread, pending)
    }
  }

  #begin(thread: Worker, pending: Pending): void {
    const id = (this.#ids += 1)
    this.#running.set(id, pending)
    thread.ref()
    pending.timer = setTimeout(() => void this.#late(thread, id), pending.withinMs)
    thread.postMessage({ ...pending.work, id } satisfies ToThread)
  }

  async #start(): Promise<void> {
    this.#starting = true
    const thread = new Worker(script, {
      resourceLimits: { maxOldGenerationSizeMb: this.#limits.memoryMb },
    })
    thread.on('message', (message: FromThread) => message.t !== 'alive' && this.#settle(message))
    thread.once('error', (error: Error & { code?: string }) => this.#gone(thread, endOf(error, this.#limits)))
    const watch = this.#watched(thread)
    thread.once('exit', () => {
      clearInterval(watch)
      this.#gone(thread, 'ended its process')
    })
    this.#thread = thread
    try {
      for (const each of this.#loaded) await this.#again(thread, each)
    } catch (error) {
      for (const { reject } of this.#waiting.splice(0)) reject(error as Error)
    }
    this.#starting = false
    this.#next()
  }

  #watched(thread: Worker): NodeJS.Timeout {
    const { memoryMb } = this.#limits
    const most = process.memoryUsage.rss() + (memoryMb + BESIDE_MB) * MEGABYTE
    const look = () => {
      if (process.memoryUsage.rss() <= most) return
      this.#gone(thread, tooMuch(memoryMb))
      void thread.terminate()
    }
    return setInterval(look, LOOK_MS).unref()
  }

  #again(thread: Worker, { work, sources }: { work: Work; sources: string }): Promise<void> {
    const loaded = new Promise((resolve, reject) =>
      this.#begin(thread, { work, withinMs: this.#limits.loadMs, resolve, reject }),
    )
    return loaded.then((value) => {
      if (sourcesOf(value) !== sources) throw new Error('gave other functions when it was loaded again')
    })
  }

  #settle(message: Exclude<FromThread, { t: 'alive' }>): void {
    const pending = this.#taken(message.id)
    if (message.t === 'done') pending?.resolve(message.value)
    else pending?.reject(new Error(message.message))
    this.#next()
  }

  #taken(id: number): Pending | undefined {
    const pending = this.#running.get(id)
    clearTimeout(pending?.timer)
    this.#running.delete(id)
    if (this.#running.size === 0) this.#thread?.unref()
    return pending
  }

  async #late(thread: Worker, id: number): Promise<void> {
    if (await isAlive(thread)) {
      const pending = this.#taken(id)
      pending?.reject(new Error(`took more than ${pending.withinMs / 1_000} s: something in it never ends`))
      return this.#next()
    }
    if (!this.#running.has(id)) return
    this.#gone(thread, `took more than ${(this.#running.get(id)?.withinMs ?? 0) / 1_000} s without a pause`)
    await thread.terminate()
  }

  #gone(thread: Worker, why: string): void {
    if (this.#thread !== thread) return
    this.#thread = null
    const pending = [...this.#running.keys()].flatMap((id) => this.#taken(id) ?? [])
    if (pending.length === 1) pending[0]?.reject(new Error(why))
    else {
      this.#isSerial = true
      this.#waiting.unshift(...pending)
    }
    this.#next()
  }
}

const tooMuch = (memoryMb: number): string => `took more than ${memoryMb} MB of memory`

function endOf({ code, message }: Error & { code?: string }, { memoryMb }: Required<UserCodeLimits>): string {
  return code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? tooMuch(memoryMb)
    : `ended with an error that nothing caught: ${message}`
}

function isAlive(thread: Worker): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isThere: boolean): void => {
      clearTimeout(timer)
      thread.off('message', heard)
      resolve(isThere)
    }
    const heard = ({ t }: FromThread): void => void (t === 'alive' && settle(true))
    const timer = setTimeout(() => settle(false), ANSWER_MS)
    thread.on('message', heard)
    thread.postMessage('ping')
  })
}

/** The functions that were loaded: the same again have the same. */
const sourcesOf = (value: unknown): string =>
  JSON.stringify(value, (name, inner: unknown) => (name === 'fields' || name === 'mistakes' ? null : inner))
