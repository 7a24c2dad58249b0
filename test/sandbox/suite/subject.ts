// An executor as the conformance suite sees it.
//
// 1. Every executor passes every part of the suite: semantics, limits, escapes, replay, killed, features.
// 2. What an executor can't do, or does otherwise by its nature, is a capability; the suite never asks which executor it is.
import { after } from 'node:test'
import type { Executor } from '../../../services/code-sandbox/executors/port.ts'

export interface Capabilities {
  /** The same log gives the same `id()` and default repr in every instance. */
  readonly sameAddresses: boolean
  /** A sleep moves Python's clock and takes no time. Otherwise it is computing time. */
  readonly sleepsJump: boolean
  /** Packages beyond the standard library that a step may import. */
  readonly packages: readonly string[]
}

export interface SubjectOptions {
  /** Of one session. Default 256. */
  readonly memoryMb?: number
  /** Live sessions at once; beyond it one gives up its place. Default 4. */
  readonly maxLive?: number
  /** Set up otherwise, where it can be (another confinement): the same log gives the same there. Default false. */
  readonly variant?: boolean
}

export interface Subject<E extends Executor = Executor> {
  readonly name: string
  readonly capabilities: Capabilities
  create(options?: SubjectOptions): E
  /** Live interpreters of this executor, spare ones included. */
  live(executor: E): number
  /** Ends every interpreter of this executor as the system would: kill -9. Resolves when they are gone. */
  crash(executor: E): Promise<void>
  /** Resolves when a step computes. Absent: it does as soon as it was begun. */
  underway?(): Promise<void>
}

/** An executor for the tests of this file, closed after them. */
export function started<E extends Executor>(subject: Subject<E>, options: SubjectOptions = {}): E {
  const executor = subject.create(options)
  after(() => executor.close())
  return executor
}
