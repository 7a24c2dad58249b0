import { groupName } from '../groups.ts'
import type { JoinOptions, LaneListener, Log, Membership, Tail } from '../port.ts'
import { openLane } from './lane.ts'
import type { Engine } from './engine.ts'
import type { Member } from './group.ts'
import { openTail } from './tail.ts'

/** The port over an engine. Views share an engine as processes share a broker; the last calls `onClose`. */
export function createView(engine: Engine, onClose: () => void): Log {
  const endings = new Set<() => Promise<void>>()
  const listening: (() => void)[] = []
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    await Promise.all([...endings].map((end) => end()))
    for (const stop of listening) stop()
    onClose()
  }
  return {
    kind: engine.kind,
    partitions: engine.partitions,
    ensureTopics: () => engine.ensureTopics(),
    publish: (records) => engine.publish(records),
    join: (options, listener) => join(engine, endings, options, listener),
    tail(options, handler): Tail {
      const tail = openTail(engine, options, handler)
      endings.add(tail.close)
      return {
        ready: tail.ready,
        close: () => (endings.delete(tail.close), tail.close()),
      }
    },
    find: async (search) => engine.find(search),
    read: async (topic, partition, fromOffset, limit) => engine.read(topic, partition, fromOffset, limit),
    ranges: async (topics, options) => engine.ranges(topics, options),
    positions: async (group, kind = 'stage') => engine.positions(groupName(kind, group)),
    members: async (group) => engine.members(groupName('stage', group)),
    topicIds: async (topics) => new Map(topics.map((topic) => [topic, engine.storage.identity(topic)])),
    advice: async () => [],
    check: () => engine.storage.transact(() => undefined),
    onFailed: (listener) => void listening.push(engine.onFailed(listener)),
    close: () => (closing ??= close()),
  }
}

async function join(
  engine: Engine,
  endings: Set<() => Promise<void>>,
  options: JoinOptions,
  listener: LaneListener,
): Promise<Membership> {
  const { topics } = options
  const name = groupName('stage', options.group)
  await engine.subscribe(name, topics)
  const group = engine.group(name, engine.partitions)
  const member: Member = {
    name: options.instance,
    topics,
    onAssigned: (lane) => listener.onAssigned(lane),
    onRevoked: (lane) => listener.onRevoked(lane),
  }
  group.join(member)
  const holds = (lane: number): boolean => group.holds(member, lane)
  const leave = (): Promise<void> => {
    endings.delete(leave)
    group.leave(member)
    return Promise.resolve()
  }
  endings.add(leave)
  const open = (lane: number) => openLane(engine, { group: name, topics, holds }, lane)
  // In the tick after the group has announced the lanes.
  const joined = new Promise<void>((resolve) => engine.soon(resolve))
  return { joined, open, decline: (lane) => group.decline(member, lane), leave }
}
