import type { CallHeld, CallReleased, DelegationHeld } from '../../schemas/generated/events.ts'

type Named = Pick<CallHeld, 'taskId' | 'callId' | 'requester'>

/** A call waits for a person since `heldAtMs`. */
export const held = (call: Named, heldAtMs: number, changes: Partial<CallHeld> = {}): CallHeld => ({
  ...call,
  ...{
    tool: 'transfer_money',
    step: 1,
    why: 'approval',
    arguments: { amount: 5 },
    userId: null,
    agent: null,
  },
  ...{ heldAtMs, expiresAtMs: null, terms: null, votes: [] },
  ...changes,
})

/** It waits no more. */
export const released = (call: Named, atMs: number, changes: Partial<CallReleased> = {}): CallReleased => ({
  ...call,
  ...{
    tool: 'transfer_money',
    step: 1,
    outcome: 'approved',
    heldAtMs: 0,
    atMs,
    approval: null,
    failsTask: null,
  },
  ...changes,
})

/** The task that a call became waits for people since `heldAtMs`, or went on. */
export const delegationHeld = (
  { taskId, callId }: Pick<CallHeld, 'taskId' | 'callId'>,
  heldAtMs: number,
  releasedAtMs: number | null = null,
): DelegationHeld => ({ taskId, callId, child: `child of ${callId}`, heldAtMs, releasedAtMs })
