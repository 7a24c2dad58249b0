// Members of a group whose process is dead, and taking them out of it at once (ADR 0032).
//
// 1. Only what process-mark.ts proves counts. A wrong proof costs a rebalance: the member joins again, and who owns a
//    lane is decided by its transactional id.
// 2. They are taken out after this member's JoinGroup is there: a group without members waits for
//    group.initial.rebalance.delay.ms, three seconds by default, before it lets anyone in.
import { isProvenDead } from '../../../process-mark.ts'
import { decodeSubscription, type Broker } from '../connection/client.ts'
import { decodeClaim } from './assigner.ts'
import { pause, type Link } from '../connection/link.ts'

const POLL_MS = 10
/** How long to wait until the group has noticed the join. */
const NOTICE_MS = 1_000
const REMOVE_MS = 3_000

/** Ids of members that are certainly dead. None while the group rebalances, because it tells nothing of its members. */
export async function deadMembers(coordinator: Broker, groupId: string): Promise<string[]> {
  const { groups } = await coordinator.describeGroups({ groupIds: [groupId] })
  const members = groups.flatMap((group) => group.members)
  const judged = members.map(async ({ memberId, memberMetadata }) => {
    const mark = markOf(memberId, memberMetadata)
    return mark !== undefined && (await isProvenDead(mark)) ? [memberId] : []
  })
  return (await Promise.all(judged)).flat()
}

function markOf(memberId: string, metadata: Buffer): string | undefined {
  try {
    return decodeClaim(memberId, decodeSubscription(metadata).userData).mark
  } catch {
    return undefined
  }
}

/** Resolves when they are out, or can't be removed: they time out then. */
export async function removeMembers(
  link: Link,
  groupId: string,
  memberIds: readonly string[],
): Promise<void> {
  const remove = async (): Promise<void> => {
    const coordinator = await link.coordinator('group', groupId)
    const untilMs = performance.now() + NOTICE_MS
    while (performance.now() < untilMs && (await isStable(coordinator, groupId))) await pause(POLL_MS)
    for (const memberId of memberIds) await coordinator.leaveGroup({ groupId, memberId }).catch(() => {})
  }
  await link.attempt(remove, { withinMs: REMOVE_MS }).catch(() => {})
}

async function isStable(coordinator: Broker, groupId: string): Promise<boolean> {
  const { groups } = await coordinator.describeGroups({ groupIds: [groupId] })
  return groups[0]?.state === 'Stable'
}
