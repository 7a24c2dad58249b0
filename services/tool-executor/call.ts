// The call of a tool as data: request and answer.
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
}

/** The call's value. */
export interface ToolAnswer {
  output: Json
  cached: boolean
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
