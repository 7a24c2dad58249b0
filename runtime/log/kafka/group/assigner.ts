// Assigns lanes to members. A lane is assigned as a whole: its partition of every topic that the member
// reads.
//
// 1. Balanced: the members' counts differ by one at most.
// 2. Sticky: a member keeps its lanes up to its share; only the excess and unowned lanes move.
// 3. Deterministic: the order in which members are listed does not matter.
// 4. A lane that a member has declined is never given to it; if every member has, nobody gets it.
// 5. A lane claimed twice belongs to the claim of the later generation: the other member was away when it
//    moved.
export interface Claim {
  readonly memberId: string
  /** Generation in which these lanes were assigned. */
  readonly generation: number
  readonly lanes: readonly number[]
  /** Lanes that it can't work on. */
  readonly declined?: readonly number[]
  /** Mark of its process (runtime/process-mark.ts). */
  readonly mark?: string
}

export function assignLanes(claims: readonly Claim[], laneCount: number): Map<string, number[]> {
  const declined = new Map(claims.map((claim) => [claim.memberId, claim.declined ?? []]))
  const kept = keptBy(claims, laneCount)
  const members = [...kept.keys()].sort((a, b) => count(kept, b) - count(kept, a) || compare(a, b))
  const share = Math.floor(laneCount / Math.max(1, members.length))
  const larger = laneCount - share * members.length
  const assigned = new Map(
    members.map((member, rank) => [
      member,
      (kept.get(member) ?? []).slice(0, rank < larger ? share + 1 : share),
    ]),
  )
  const taken = new Set([...assigned.values()].flat())
  for (let lane = 0; lane < laneCount; lane++) {
    if (taken.has(lane)) continue
    const willing = members.filter((member) => !declined.get(member)?.includes(lane))
    const least = willing.reduce(
      (a, b) => (count(assigned, b) < count(assigned, a) ? b : a),
      willing[0] ?? '',
    )
    assigned.get(least)?.push(lane)
  }
  for (const lanes of assigned.values()) lanes.sort((a, b) => a - b)
  return assigned
}

/** Each lane with one claimant at most, in ascending order. */
function keptBy(claims: readonly Claim[], laneCount: number): Map<string, number[]> {
  const kept = new Map<string, number[]>(claims.map(({ memberId }) => [memberId, []]))
  const latestFirst = [...claims].sort(
    (a, b) => b.generation - a.generation || compare(a.memberId, b.memberId),
  )
  const taken = new Set<number>()
  for (const { memberId, lanes, declined = [] } of latestFirst)
    for (const lane of [...lanes].sort((a, b) => a - b)) {
      if (lane < 0 || lane >= laneCount || taken.has(lane) || declined.includes(lane)) continue
      taken.add(lane)
      kept.get(memberId)?.push(lane)
    }
  return kept
}

const count = (of: ReadonlyMap<string, readonly number[]>, member: string): number =>
  of.get(member)?.length ?? 0
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export function encodeClaim({ generation, lanes, declined = [], mark }: Omit<Claim, 'memberId'>): Buffer {
  const more = { ...(declined.length > 0 ? { declined } : {}), ...(mark === undefined ? {} : { mark }) }
  return Buffer.from(JSON.stringify({ generation, lanes, ...more }))
}

/** Unreadable data claims nothing: a member of another release must not stop the group. */
export function decodeClaim(memberId: string, data: Buffer): Claim {
  try {
    const { generation, lanes, declined, mark } = JSON.parse(data.toString('utf8')) as Partial<Claim>
    if (typeof generation === 'number' && Array.isArray(lanes))
      return {
        memberId,
        generation,
        lanes: lanes.filter((lane) => Number.isInteger(lane)),
        ...(Array.isArray(declined) ? { declined } : {}),
        ...(typeof mark === 'string' ? { mark } : {}),
      }
  } catch {
    // falls through
  }
  return { memberId, generation: -1, lanes: [] }
}
