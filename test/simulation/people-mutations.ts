// Ways to break a tool-executor whose calls wait for people.
import type { Decision, Stage, StageEvent } from '../../runtime/stage.ts'
import type { Held } from '../../services/tool-executor/rows.ts'

/** A call about which nobody decided is made. */
export function consenting(executor: Stage): Stage {
  return {
    ...executor,
    decide(event, rows, lane) {
      const held = rows['held'] as Held | undefined
      if (event.type !== 'TimerFired' || event.data.name !== 'expiry' || held?.why !== 'approval')
        return executor.decide(event, rows, lane)
      const { taskId, callId } = held.request
      const approval = { taskId, callId, approved: true, reason: null, decidedBy: 'nobody', arguments: null }
      const data = { ...approval, answer: null, tookEffect: null, scopes: null, heldAtMs: held.heldAtMs }
      const decided = executor.decide({ ...event, type: 'ApprovalDecided', data } as StageEvent, rows, lane)
      // As if nobody had decided: the record says that it expired.
      const emit = (decided.emit ?? []).map((each) =>
        each.type === 'CallReleased'
          ? { ...each, data: { ...each.data, outcome: 'expired' as const } }
          : each,
      )
      return { ...decided, emit }
    },
  }
}

/** A cancel and the end of a task forget the calls that wait, and nobody learns of it. */
export function forgettingWaits(executor: Stage): Stage {
  return {
    ...executor,
    decide(event, rows, lane) {
      const isOver = rows['held'] !== undefined && (rows['closed'] ?? rows['cancelled']) !== undefined
      return isOver && event.type === 'TimerFired' ? { clear: true } : executor.decide(event, rows, lane)
    },
  }
}

/** A call of which nobody knows whether it took effect is made as if it had taken none. */
export function repeatingDoubt(executor: Stage): Stage {
  return {
    ...executor,
    conclude(event, rows, call, outcome, lane): Decision {
      const again = { ok: true, value: { tookEffect: false }, callId: outcome.callId } as const
      const { startedMs, endedMs } = outcome
      const found = call.kind === 'reconcile' ? { ...again, startedMs, endedMs } : outcome
      return executor.conclude?.(event, rows, call, found, lane) ?? {}
    },
  }
}
