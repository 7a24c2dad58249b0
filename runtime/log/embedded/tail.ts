import { sleep } from '../../clock.ts'
import { groupName } from '../groups.ts'
import type { LogRecord, LogTopic, Tail, TailOptions } from '../port.ts'
import type { Engine } from './engine.ts'
import type { Group, Member } from './group.ts'
import { Reader } from './reader.ts'
import type { Cursor } from './reader.ts'
import type { Slot } from './storage.ts'

type Handler = (records: readonly LogRecord[]) => Promise<void> | void

const RETRY_FIRST_MS = 100
const RETRY_MOST_MS = 5_000

/** A handler that fails gets the same records again after a growing wait, until the tail is closed. */
export function openTail(engine: Engine, options: TailOptions, handler: Handler): Tail {
  const { group } = options
  if (group === undefined) return tailAll(engine, options, handler)
  return tailShared(engine, options, groupName('readers', group), handler)
}

function tailAll(engine: Engine, options: TailOptions, handler: Handler): Tail {
  const deliver = repeating(engine, handler)
  const reader = new Reader(engine.pump, deliver.run)
  for (const slot of slotsOf(engine, options.topics)) reader.add(slot, startOf(slot, options))
  return { ready: Promise.resolve(), close: () => deliver.end(() => reader.close()) }
}

function tailShared(engine: Engine, options: TailOptions, name: string, handler: Handler): Tail {
  const slots = slotsOf(engine, options.topics)
  const lanes = Math.max(...slots.map((slot) => slot.partition + 1))
  const group = engine.group(name, lanes)
  const deliver = repeating(engine, handler)
  const reader = new Reader(engine.pump, async (records, cursor) => {
    await deliver.run(records)
    await savePosition(engine, group, member, cursor)
  })
  const onLane = (lane: number, act: (slot: Slot) => void): void =>
    slots.filter((slot) => slot.partition === lane).forEach(act)
  const begin = (slot: Slot): void => {
    if (!group.holds(member, slot.partition)) return
    const position = (): number => engine.storage.position(name, slot)?.offset ?? 0
    const from = engine.pump.tryRead(position, () => begin(slot))
    if (from !== null) reader.add(slot, from)
  }
  const member: Member = {
    name: 'reader',
    topics: options.topics,
    onAssigned: (lane) => onLane(lane, begin),
    onRevoked: (lane) => onLane(lane, (slot) => reader.remove(slot)),
  }
  let closed = false
  const ready = beginGroup(engine, name, options, slots).then(() => {
    if (!closed) group.join(member)
  })
  const close = async (): Promise<void> => {
    closed = true
    await deliver.end(() => {
      group.leave(member)
      reader.close()
    })
  }
  return { ready, close }
}

/** Writes a new group's start at once, so that it does not depend on which member takes a partition first. */
async function beginGroup(
  engine: Engine,
  group: string,
  options: TailOptions,
  slots: readonly Slot[],
): Promise<void> {
  const starts = slots.map((slot) => ({ slot, offset: startOf(slot, options) }))
  await engine.subscribe(group, options.topics)
  await engine.storage.transact(() => {
    for (const { slot, offset } of starts) {
      if (!engine.storage.position(group, slot)) engine.storage.setPosition(group, slot, offset, '')
    }
  })
}

async function savePosition(engine: Engine, group: Group, member: Member, cursor: Cursor): Promise<void> {
  const { slot, next } = cursor
  await engine.storage
    .transact(() => {
      if (group.holds(member, slot.partition)) engine.storage.setPosition(group.name, slot, next, '')
    })
    // The records are delivered again after a restart: at least once.
    .catch(() => undefined)
}

/** Runs the handler until it succeeds or the tail ends. `end` waits for the running handler. */
function repeating(
  engine: Engine,
  handler: Handler,
): { run: (records: readonly LogRecord[]) => Promise<void>; end: (close: () => void) => Promise<void> } {
  let ended = false
  let atWork: Promise<void> = Promise.resolve()
  const run = async (records: readonly LogRecord[]): Promise<void> => {
    for (let waitMs = RETRY_FIRST_MS; !ended; waitMs = Math.min(2 * waitMs, RETRY_MOST_MS)) {
      try {
        return await handler(records)
      } catch {
        await sleep(engine.clock, waitMs)
      }
    }
  }
  return {
    run: (records) => (atWork = run(records)),
    end: async (close) => {
      ended = true
      close()
      await atWork
    },
  }
}

function slotsOf(engine: Engine, topics: readonly LogTopic[]): Slot[] {
  return topics.flatMap((topic) => engine.slots(topic))
}

function startOf(slot: Slot, options: TailOptions): number {
  return options.from === 'latest' ? slot.next : 0
}
