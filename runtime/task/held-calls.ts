// Calls of a task that wait for a person, as the stages see them that wait for their replies: while at least one
// does, the task's deadline stands still. Pure.

export interface HeldCalls {
  /** When the first of them began to wait; epoch milliseconds. */
  readonly sinceMs: number
  readonly ids: readonly string[]
}

/** With one more call. The same value if that waits already. */
export function withHeld(held: HeldCalls | undefined, callId: string, atMs: number): HeldCalls {
  if (!held) return { sinceMs: atMs, ids: [callId] }
  return held.ids.includes(callId) ? held : { ...held, ids: [...held.ids, callId] }
}

/** Without this call. `byMs`: how much later the deadline is, once none waits any more. */
export function withoutHeld(
  held: HeldCalls,
  callId: string,
  atMs: number,
): { readonly held: HeldCalls } | { readonly held: null; readonly byMs: number } {
  const ids = held.ids.filter((id) => id !== callId)
  if (ids.length > 0) return { held: { ...held, ids } }
  return { held: null, byMs: waitedMs(held, atMs) }
}

/** Time for which calls have waited up to now. `heldMs`: that of earlier waits. */
export function heldMs(
  { held, heldMs: before = 0 }: { readonly held?: HeldCalls; readonly heldMs?: number },
  atMs: number,
): number {
  return before + (held ? waitedMs(held, atMs) : 0)
}

/** For how long these calls have waited; clocks of processes differ. */
export const waitedMs = ({ sinceMs }: HeldCalls, atMs: number): number => Math.max(0, atMs - sinceMs)
