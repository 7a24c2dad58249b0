import type { ApprovalDecided } from '../../schemas/generated/events.ts'

/** A person's decision: an approval, unless `changes` say otherwise. */
export const decision = (
  changes: Partial<ApprovalDecided> & Pick<ApprovalDecided, 'taskId' | 'callId'>,
): ApprovalDecided => ({
  approved: true,
  reason: null,
  decidedBy: null,
  arguments: null,
  answer: null,
  tookEffect: null,
  scopes: null,
  credential: null,
  madeBy: null,
  heldAtMs: null,
  ...changes,
})
