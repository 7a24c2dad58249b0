// Tasks whose calls wait for a person. What is decided about them is in their id (`chaos.approval.7.edited`), so that the
// program that decides, the scripted model and the checker know it without a word between them.
import type { Exchange } from '../../../runtime/scripted-model/exchange.ts'
import { final, python } from '../../../runtime/scripted-model/script.ts'
import type { Turn } from '../../../runtime/scripted-model/conversations.ts'

/**
 * approved, edited (other arguments), declined. twice: the same decision two times at once. late: approved, and declined
 * when it no longer waits. kafka: the decision is a record that no gateway wrote. two: two people must agree; one says so
 * by HTTP, one on Kafka. expired: nobody decides. question: an answer. python: two calls of a loop, the second one edited.
 */
export const approvalPlans = [
  'approved',
  'kafka',
  'late',
  'two',
  'edited',
  'python',
  'twice',
  'expired',
  'declined',
  'question',
] as const
export type ApprovalPlan = (typeof approvalPlans)[number]

export const EDITED_ITEM = 7
export const ANSWER = 'blue'
/** Of a call that nobody decides about. */
export const EXPIRES_MS = 3_000
export const DECLINED_BECAUSE = 'not today'

export const isApproval = (mark: string): boolean => mark.split('.')[1] === 'approval'
export const planOf = (mark: string): ApprovalPlan => mark.split('.')[3] as ApprovalPlan

interface Expected {
  /** The tool that waits. */
  readonly tool: 'refund' | 'payout' | 'fleeting' | 'ask_person'
  /** Items with which its calls must arrive at the tool server, once each. */
  readonly items: readonly number[]
  /** How the waits end, in order. */
  readonly outcomes: readonly string[]
  /** What the model must be shown of it. */
  readonly shown: readonly RegExp[]
}

const shownItem = (item: number): RegExp => new RegExp(`item\\W+${item}\\b`)
const approved: Expected = { tool: 'refund', items: [0], outcomes: ['approved'], shown: [shownItem(0)] }

const expected: Readonly<Record<ApprovalPlan, Expected>> = {
  approved,
  twice: approved,
  late: approved,
  kafka: approved,
  two: { ...approved, tool: 'payout' },
  edited: { ...approved, items: [EDITED_ITEM], shown: [shownItem(EDITED_ITEM)] },
  python: {
    ...approved,
    items: [0, EDITED_ITEM],
    outcomes: ['approved', 'approved'],
    shown: [shownItem(0), shownItem(EDITED_ITEM)],
  },
  declined: {
    ...approved,
    items: [],
    outcomes: ['declined'],
    shown: [new RegExp(`declined.*${DECLINED_BECAUSE}`)],
  },
  expired: { tool: 'fleeting', items: [], outcomes: ['expired'], shown: [/Nobody decided/] },
  question: { tool: 'ask_person', items: [], outcomes: ['answered'], shown: [new RegExp(ANSWER)] },
}

export const expectedOf = (mark: string): Expected => expected[planOf(mark)]

export function approvalScript(exchange: Exchange, mark: string): Turn {
  const { tool, shown } = expectedOf(mark)
  if (exchange.turn > 0) {
    const isAsDecided = shown.every((text) => text.test(exchange.observations))
    return final(exchange, `${isAsDecided ? 'done' : 'incomplete'} ${mark}`)
  }
  if (exchange.mode === 'code') return { text: python(loop(tool, mark)) }
  const given = tool === 'ask_person' ? { question: `Which colour for ${mark}?` } : { task: mark, turn: 1 }
  return { toolCalls: [{ name: tool, arguments: given }] }
}

const loop = (tool: string, mark: string): string =>
  ['for item in range(2):', `    print(${tool}(task="${mark}", turn=1, item=item))`].join('\n')
