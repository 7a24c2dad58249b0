// What the outside world saw: every call that reached a model or tool, as its server would have counted it.
export interface SeenCall {
  readonly callId: string
  readonly kind: string
  readonly target: string
  readonly idempotent: boolean
  /** Process that made it. */
  readonly process: string
  /** True when its answer left the outside world before the process died. */
  answered: boolean
}

export class CallBook {
  readonly calls: SeenCall[] = []
  /** Call ids whose outcome is in the journal. */
  readonly journalled = new Set<string>()
  readonly violations: string[] = []
  private readonly byId = new Map<string, SeenCall[]>()

  /** A call arrives. A journalled one, or a second one of a call that must run once, is a violation. */
  arrive(call: Omit<SeenCall, 'answered'>, isAlive: (process: string) => boolean): SeenCall {
    const earlier = this.byId.get(call.callId) ?? []
    if (this.journalled.has(call.callId))
      this.violations.push(`journalled ${call.kind} call ${call.callId} was made again`)
    if (earlier.length > 0 && !call.idempotent)
      this.violations.push(`${call.target} is not idempotent and ran twice (${call.callId})`)
    if (earlier.some(({ process }) => isAlive(process)))
      this.violations.push(`${call.kind} call ${call.callId} was repeated while its first caller lives`)
    const seen: SeenCall = { ...call, answered: false }
    this.calls.push(seen)
    this.byId.set(call.callId, [...earlier, seen])
    return seen
  }

  /** Calls made more than once: each explained by a crash, or a violation was noted. */
  get repeated(): number {
    return [...this.byId.values()].reduce((sum, calls) => sum + calls.length - 1, 0)
  }
}
