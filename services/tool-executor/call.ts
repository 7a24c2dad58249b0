// The call of a tool as data: request and answer.
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import type { Json } from '../../schemas/json.ts'

/** Request of a call of kind `tool`. */
export interface ToolCall {
  taskId: string
  tool: string
  arguments: Json
  /** Overrides the cache lifetime of a tool that is safe to cache; null keeps the tool's own. */
  cacheTtlMs: number | null
  userId: string | null
  agent: string | null
  deadlineMs: number
  /** A call that its server goes on with: ask how it stands, give what people answered, or stop it. Absent: begin one. */
  continued?: { pending: Pending; ask: 'outcome' | 'answer' | 'cancel' }
  /** What people answered to a question of the other side. Absent: it has asked nothing. */
  given?: Given
}

/** What a server asks people before it goes on with a call. */
export interface ServerQuestion {
  server: string
  text: string
  /** The server's names of its forms: of one, `answer` is the schema; of several, each is a property of it. */
  names: string[]
  answer: JsonSchema
  /** It wants this back with the answer. */
  state: string | null
}

/** Answers by the server's names. */
export interface Given {
  responses: { [name: string]: { action: 'accept'; content: Json } }
  state: string | null
}

/** Instead of a tool's result. */
export class AskingCall {
  readonly question: ServerQuestion
  /** The task in the middle of which the server asks; null: it has done nothing yet. */
  readonly pending: Pending | null

  constructor(question: ServerQuestion, pending: Pending | null = null) {
    this.question = question
    this.pending = pending
  }
}

/** A call that the other side goes on with, under an id of its own. */
export interface Pending {
  id: string
  /** When to ask again. */
  pollMs: number
  /** What it says about itself. */
  note: string | null
}

/** Instead of a tool's result. */
export class PendingCall {
  readonly pending: Pending

  constructor(pending: Pending) {
    this.pending = pending
  }
}

/** The call's value. */
export interface ToolAnswer {
  output: Json
  cached: boolean
  /** The call is not over: there is no output yet. */
  pending?: Pending
  /** People are asked. Without `pending` it has done nothing yet, and is made again with the answer. */
  asks?: ServerQuestion
}

/** Request of a call of kind `rule`: whether the arguments need a person. Its value: a boolean. */
export interface RuleCall {
  tool: string
  arguments: Json
}

/** Request of a call of kind `reconcile`: whether an earlier call took effect. Its value: Reconciled. */
export interface ReconcileCall {
  taskId: string
  tool: string
  arguments: Json
  userId: string | null
  agent: string | null
  /** The key that the earlier call was made with. */
  idempotencyKey: string
}
