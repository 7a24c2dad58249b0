import type { Decision } from '../../runtime/stage.ts'
import type { Granted } from './call.ts'

export type RouterRows = {
  /** This id was answered. Still read; written by earlier versions only, with a timer `forget`. */
  task: { answer: 'admitted' | 'rejected' | 'cancelled' | 'failed'; atMs: number }
  /** Cancelled before it was submitted. Still read; written by earlier versions only. */
  cancel: { reason: string | null; atMs: number }
  /** The task ended here and still holds its estimate. */
  granted: Granted
}

export type State = Readonly<Partial<RouterRows>>
export type RouterDecision = Decision<RouterRows>

/** Joins two decisions, which write different rows and timers. */
export function merge(first: RouterDecision, second: RouterDecision): RouterDecision {
  return {
    rows: { ...first.rows, ...second.rows },
    emit: [...(first.emit ?? []), ...(second.emit ?? [])],
    timers: { ...first.timers, ...second.timers },
    lane: { ...first.lane, ...second.lane },
  }
}
