// Decisions about calls that wait for people, as they are written to the log.
import type { ApprovalDecided } from '../../schemas/generated/events.ts'
import type { ApprovalInput } from '../types.ts'

/** A decision with what its writer verified of who decided. */
export interface VerifiedDecision extends ApprovalInput {
  readonly scopes?: readonly string[]
  /** The key or token that it came with. */
  readonly credential?: string
  /** Others who may hold that key. */
  readonly madeBy?: readonly string[]
}

export function decidedData({ scopes, credential, madeBy, ...given }: VerifiedDecision): ApprovalDecided {
  return {
    ...{ reason: null, decidedBy: null, arguments: null, answer: null, tookEffect: null },
    heldAtMs: null,
    ...given,
    scopes: scopes ? [...scopes] : null,
    credential: credential ?? null,
    madeBy: madeBy ? [...madeBy] : null,
  }
}
