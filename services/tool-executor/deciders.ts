// Who may decide about a held call, and how many people agree.
//
// 1. A decision is the word of its person (`decidedBy`) and of everyone who may have sent it in that person's name:
//    those who made the key that it came with (`madeBy`). All of them must be allowed to decide.
// 2. Two decisions are of two people only if nobody stands behind both (people.ts). So one person with several
//    keys counts once, and so does one who makes keys for others.
// 3. A person has one vote, however the name is spelt; a later one replaces it. What is kept is bounded in number and in size.
import { maybeSamePerson } from '../../runtime/task/people.ts'
import type { ApprovalDecided } from '../../schemas/generated/events.ts'
import type { Held, Vote } from './rows.ts'

const MAX_VOTES = 100
/** As JSON. Two edits of the largest size that a record can have, with their reasons. */
const MAX_VOTES_CHARS = 1_200_000

type Given = Pick<ApprovalDecided, 'decidedBy' | 'credential' | 'madeBy' | 'scopes'>

/** Why the decision does not count; null if it does. */
export function cannotDecide({ terms, request }: Held, given: Given): string | null {
  const { approvers, needed, selfApproval = true } = terms
  const { decidedBy, credential, madeBy, scopes } = given
  if (decidedBy === null && (approvers.users !== null || needed > 1 || !selfApproval))
    return credential === null
      ? 'it does not say who decided, and this call needs a person'
      : `the ${credential} is no person's, and this call needs one: decide with a key that has a user, or a token`
  const { scope, users } = approvers
  if (scope !== null && !scopes?.includes(scope))
    return `it needs the scope ${scope}, which ${decidedBy ?? credential ?? 'nobody'} has not`
  const behind = [...(decidedBy === null ? [] : [decidedBy]), ...(madeBy ?? [])]
  const stranger = users === null ? undefined : behind.find((person) => !users.includes(person))
  if (stranger !== undefined && users !== null)
    return `${nameOf(stranger, given)} may not decide it; its approvers are: ${users.join(', ')}`
  return selfApproval ? null : isOwn(behind, request.userId, given)
}

function isOwn(behind: readonly string[], userId: string | null, given: Given): string | null {
  if (userId === null)
    return 'its task names no user, so nobody is known to be another person: submit such tasks with a userId'
  const own = behind.find((person) => maybeSamePerson(person, userId))
  if (own === undefined) return null
  return `${nameOf(own, given)} submitted the task, and another person must decide (selfApproval: false)`
}

const nameOf = (person: string, { decidedBy, credential }: Given): string =>
  person === decidedBy
    ? person
    : `${person}, who made the ${credential ?? 'key'} of ${decidedBy ?? 'nobody'},`

/** The votes with this one, which replaces that of the same person. */
export const withVote = (votes: readonly Vote[], vote: Vote): Vote[] => [
  ...votes.filter(({ by }) => !maybeSamePerson(by ?? '', vote.by ?? '')),
  vote,
]

/** Why no more votes are kept; null if they are. */
export function tooManyVotes(votes: readonly Vote[]): string | null {
  if (votes.length > MAX_VOTES) return `${MAX_VOTES} people have voted already, and no more votes are kept`
  if (JSON.stringify(votes).length <= MAX_VOTES_CHARS) return null
  return `the votes so far and this one have more than ${MAX_VOTES_CHARS.toLocaleString('en')} characters of arguments`
}
