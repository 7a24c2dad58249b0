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
