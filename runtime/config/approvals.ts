// Calls that wait for a person: what a tool's definition says of them, and the plain terms that its spec has.
import { isName } from '../../schemas/identity.ts'
import type { JsonSchema } from './fleet.ts'

/** What happens when nobody decided in time. `refuse`: the call is not made, and the model is told that nobody decided. */
export type OnExpiry = 'refuse' | 'fail' | 'wait'

/** Who may decide. Both given: both must hold. */
export interface Approvers {
  /** A scope that the one who decides must have, as the gateway verified it. */
  readonly scope?: string
  /** People: users of keys and tokens. */
  readonly users?: readonly string[]
}

/** How long a call waits for a person, who may decide, and how many must agree. */
export interface DecisionTerms {
  /** Milliseconds; null: for as long as it takes. Default seven days. */
  readonly expiresMs?: number | null
  /** Default `refuse`. */
  readonly onExpiry?: OnExpiry
  /** Default: everyone who may decide approvals. */
  readonly approvers?: Approvers
  /** People who must agree on the same arguments. One who declines is enough. Default 1. */
  readonly needed?: number
  /** Whether the user whose task it is may decide, alone or as one of several. Default true. */
  readonly selfApproval?: boolean
  /** Channels of `alerts.channels` that are notified when a call begins to wait. Default none. */
  readonly notify?: readonly string[]
}

/** The terms of `requiresApproval`. */
export interface ApprovalDefinition<I = never> extends DecisionTerms {
  /**
   * Whether these arguments need a person. Evaluated once for each call, and recorded; if it throws or takes
   * longer than a second, they do. Default: every call needs one.
   */
  when?: (input: I) => boolean | Promise<boolean>
}

/** DecisionTerms, checked and completed: plain data. */
export interface Terms {
  readonly expiresMs: number | null
  readonly onExpiry: OnExpiry
  readonly approvers: { readonly scope: string | null; readonly users: readonly string[] | null }
  readonly needed: number
  /** False: not the task's own user. Absent: true. */
  readonly selfApproval?: false
  readonly notify: readonly string[]
}

/** Why a tool's calls wait for a person. */
export interface PeopleSpec {
  /** Absent: no call needs an approval. `when`: a rule of the tool says which. */
  readonly approval?: Terms & { readonly rule: 'always' | 'when' }
  /** The tool is a question to a person; its calls are never run. */
  readonly question?: Terms & { readonly answer: JsonSchema | null }
  /** Its calls in doubt wait for a person, instead of being told to the model. */
  readonly inDoubt?: 'hold'
  /** It can look up whether a call took effect. */
  readonly reconciles?: true
}

/** What a look-up found: null if it can't say. False only if the call has not taken effect and never will. */
export type Reconciled<O = unknown> =
  { readonly tookEffect: true; readonly output: O } | { readonly tookEffect: false } | null

const DEFAULT_EXPIRES_MS = 7 * 86_400_000
const MAX_EXPIRES_MS = 366 * 86_400_000
const MAX_NEEDED = 20
const MAX_LISTED = 100

export const defaultTerms: Terms = {
  expiresMs: DEFAULT_EXPIRES_MS,
  onExpiry: 'refuse',
  approvers: { scope: null, users: null },
  needed: 1,
  notify: [],
}

export function completeTerms(terms: DecisionTerms): Terms {
  const { expiresMs, onExpiry, approvers, needed, selfApproval, notify } = terms
  return {
    expiresMs: expiresMs === undefined ? DEFAULT_EXPIRES_MS : expiresMs,
    onExpiry: onExpiry ?? 'refuse',
    approvers: { scope: approvers?.scope ?? null, users: approvers?.users ? [...approvers.users] : null },
    needed: needed ?? 1,
    ...(selfApproval === false && { selfApproval }),
    notify: [...(notify ?? [])],
  }
}

const known = new Set(['when', 'expiresMs', 'onExpiry', 'approvers', 'needed', 'selfApproval', 'notify'])

/** Every mistake in terms that a program may have written without types. `field` begins each. */
export function termsMistakes(given: unknown, field: string): string[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return [
      `${field} must be true, false or an object like { when, expiresMs, onExpiry, approvers, needed, selfApproval, notify }`,
    ]
  const { expiresMs, onExpiry, approvers, needed, selfApproval, notify, when } = given as Record<
    string,
    unknown
  >
  const unknown = Object.keys(given).filter((name) => !known.has(name))
  const users = (approvers as Approvers | undefined)?.users
  const checks: [boolean, string][] = [
    [unknown.length === 0, `has no setting ${unknown.join(', ')}; there are: ${[...known].join(', ')}`],
    [when === undefined || typeof when === 'function', 'when must be a function of the arguments'],
    [
      expiresMs === undefined || expiresMs === null || isWhole(expiresMs, 1, MAX_EXPIRES_MS),
      `expiresMs must be a whole number of milliseconds up to ${MAX_EXPIRES_MS} (a year), or null to wait without limit`,
    ],
    [
      onExpiry === undefined || ['refuse', 'fail', 'wait'].includes(onExpiry as string),
      "onExpiry must be 'refuse', 'fail' or 'wait'",
    ],
    [
      needed === undefined || isWhole(needed, 1, MAX_NEEDED),
      `needed must be a whole number from 1 to ${MAX_NEEDED}`,
    ],
    [
      selfApproval === undefined || typeof selfApproval === 'boolean',
      'selfApproval must be true, or false to have another person than the task’s user decide',
    ],
    [
      approvers === undefined || isApprovers(approvers),
      'approvers must be { scope: "…", users: ["…"] }, one or both',
    ],
    [
      !Array.isArray(users) || typeof needed !== 'number' || new Set(users).size >= needed,
      'needed is more than there are approvers.users, so nothing could ever be approved',
    ],
    [notify === undefined || isTexts(notify), 'notify must be a list of names of alerts.channels'],
  ]
  return checks
    .filter(([ok]) => !ok)
    .map(([, mistake]) => (mistake.startsWith('has') ? `${field} ${mistake}` : `${field}.${mistake}`))
}

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= 200

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= MAX_LISTED && value.every(isText)

function isApprovers(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { scope, users, ...others } = value as Record<string, unknown>
  if (Object.keys(others).length > 0 || (scope === undefined && users === undefined)) return false
  return (
    (scope === undefined || isText(scope)) &&
    (users === undefined ||
      (isTexts(users) && (users as string[]).length > 0 && (users as string[]).every(isName)))
  )
}
