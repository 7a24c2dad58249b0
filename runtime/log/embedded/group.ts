// Members of a group within this process, and which lanes each holds.
//
// 1. A lane that moves is revoked from its holder before it is assigned to the next.
// 2. Assignment is sticky: a member keeps what it holds up to its fair share.
// 3. A lane that a member has declined is never given to it again; if every member has, nobody gets it.
// 4. Changes within one tick (joins, leaves) are one rebalance.

import type { GroupMembers, LogTopic } from '../port.ts'

export interface Member {
  readonly name: string
  readonly topics: readonly LogTopic[]
  readonly onAssigned: (lane: number) => void
  readonly onRevoked: (lane: number) => void
}

/** New holders of the lanes: each gets a fair share (rounded up or down) and keeps what it can. */
export function assignLanes<M>(
  lanes: number,
  members: readonly M[],
  held: ReadonlyMap<number, M>,
  declines: (member: M, lane: number) => boolean = () => false,
): Map<number, M> {
  const next = new Map<number, M>()
  if (members.length === 0) return next
  const counts = new Map(members.map((member) => [member, 0]))
  const floor = Math.floor(lanes / members.length)
  let larger = lanes % members.length
  const give = (lane: number, member: M): void => {
    const count = (counts.get(member) ?? 0) + 1
    counts.set(member, count)
    next.set(lane, member)
    if (count === floor + 1) larger--
  }
  const hasRoom = (member: M): boolean => {
    const count = counts.get(member)
    return count !== undefined && (count < floor || (count === floor && larger > 0))
  }
  for (let lane = 0; lane < lanes; lane++) {
    const holder = held.get(lane)
    if (holder !== undefined && hasRoom(holder) && !declines(holder, lane)) give(lane, holder)
  }
  for (let lane = 0; lane < lanes; lane++) {
    if (next.has(lane)) continue
    const willing = members.filter((each) => !declines(each, lane))
    const member = willing.find(hasRoom) ?? willing[0]
    if (member !== undefined) give(lane, member)
  }
  return next
}

export class Group {
  readonly name: string
  readonly #lanes: number
  readonly #soon: (fn: () => void) => void
  #members: Member[] = []
  #held = new Map<number, Member>()
  #scheduled = false
  readonly #declined = new Map<Member, Set<number>>()

  constructor(name: string, lanes: number, soon: (fn: () => void) => void) {
    this.name = name
    this.#lanes = lanes
    this.#soon = soon
  }

  get inUse(): boolean {
    return this.#members.length > 0
  }

  get view(): GroupMembers {
    const topics = new Set(this.#members.flatMap((member) => member.topics))
    const owners = [...this.#held].map(([lane, { name: owner }]) => ({ lane, owner }))
    return { topics: [...topics], owners: owners.toSorted((a, b) => a.lane - b.lane) }
  }

  join(member: Member): void {
    this.#members.push(member)
    this.#schedule()
  }

  /** The member gets no more calls; its lanes go to the others in the next tick. */
  leave(member: Member): void {
    this.#members = this.#members.filter((other) => other !== member)
    this.#declined.delete(member)
    for (const [lane, holder] of this.#held) if (holder === member) this.#held.delete(lane)
    this.#schedule()
  }

  decline(member: Member, lane: number): void {
    const declined = this.#declined.get(member) ?? new Set()
    this.#declined.set(member, declined.add(lane))
    this.#schedule()
  }

  holds(member: Member, lane: number): boolean {
    return this.#held.get(lane) === member
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#soon(() => {
      this.#scheduled = false
      this.#rebalance()
    })
  }

  #rebalance(): void {
    const before = this.#held
    const declines = (member: Member, lane: number) => this.#declined.get(member)?.has(lane) ?? false
    const after = assignLanes(this.#lanes, this.#members, before, declines)
    this.#held = after
    for (const [lane, holder] of before) if (after.get(lane) !== holder) holder.onRevoked(lane)
    for (const [lane, holder] of after) {
      if (before.get(lane) !== holder && this.#members.includes(holder)) holder.onAssigned(lane)
    }
  }
}
