// Sessions: what happens to a message that comes while another one is answered, and what is remembered.
import type { TaskSubmitted } from '../../schemas/generated/events.ts'

export type WhenBusy = NonNullable<TaskSubmitted['whenBusy']>

export const whenBusyChoices = [
  'queue',
  'steer',
  'interrupt',
  'reject',
] as const satisfies readonly WhenBusy[]

/** Every session of the fleet. A task and its agent may choose another `whenBusy`. */
export interface SessionsDefinition {
  /**
   * What happens to a task while another one of its session runs. `queue`: it waits; `steer`: its text is given to
   * the running task at its next step; `interrupt`: the running one is cancelled; `reject`: it is refused. Default
   * `queue`.
   */
  whenBusy?: WhenBusy
  /** Tasks that wait in one session; more are refused. Default 20. */
  waiting?: number
  /** Turns that are remembered whole, at most. Default 20. */
  recentTurns?: number
  /** Tokens of the turns that are remembered whole, at most. Default 8,000. */
  recentTokens?: number
  /**
   * Model that summarises older turns, as `provider/model`. `off`: no model is called, and a line for each older
   * turn is kept. Default: the model that answered the last turn.
   */
  summaryModel?: string
  /** Most tokens of a summary. Default 800. */
  summaryTokens?: number
  /** Days after its last turn for which a session is kept. Default 30. */
  retentionDays?: number
  /**
   * True: what a task's Python defines is still defined in the next task of its session, if it is of the same agent and
   * executor. An agent may choose otherwise. Default false.
   */
  keepVariables?: boolean
  /** Hours after its last turn for which a session keeps them. Default 24. */
  variablesHours?: number
  /** Characters of code and tool results that are kept for it, of an agent in a session. Default 250,000. */
  variablesChars?: number
  /** Computing time of the steps that are kept for it: the next task spends it again. Default 60,000. */
  variablesComputeMs?: number
}

/** Largest `variablesChars`. */
export const MAX_VARIABLES_CHARS = 4_000_000

export type Sessions = Readonly<Required<Omit<SessionsDefinition, 'summaryModel'>>> &
  Pick<SessionsDefinition, 'summaryModel'>

export const defaultSessions: Sessions = {
  whenBusy: 'queue',
  waiting: 20,
  recentTurns: 20,
  recentTokens: 8_000,
  summaryTokens: 800,
  retentionDays: 30,
  keepVariables: false,
  variablesHours: 24,
  variablesChars: 250_000,
  variablesComputeMs: 60_000,
}
