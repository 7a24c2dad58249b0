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
