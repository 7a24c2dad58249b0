// Copies the limits of a data file's fleet to Redis: reservations, budgets, windows. Every figure is written as a whole,
// so that copying again changes nothing.
import type { DataFile } from '../store/data-file/data-file.ts'
import { connectRedis, type RedisServer } from '../store/redis/connection.ts'
import type { Entry } from './accounts.ts'
import { limitsPrefix } from './redis.ts'

type Commands = (string | number)[][]

const AT_ONCE = 500

/** A fleet's prefix in the data file, and on Redis. */
export interface MovedPrefix {
  readonly from: string
  readonly to: string
}

/** Names of the limits of a fleet on Redis begin so. */
export const limitsBeginning = (prefix: string): string => `${limitsPrefix(prefix)}:`

/** Resolves with how many reservations and figures, budgets, and windows there are. */
export async function copyLimits(
  file: DataFile,
  prefix: MovedPrefix,
  server: RedisServer,
  nowMs: number,
): Promise<number> {
  const { redis, written, close } = connectRedis(server)
  const commands = commandsFor(file, prefix, nowMs)
  try {
    for (let at = 0; at < commands.length; at += AT_ONCE) {
      const some = commands.slice(at, at + AT_ONCE).flat()
      const answers = await written(
        'copying limits',
        redis.multi(some.map((each) => each.map(String))).exec(),
      )
      const failed = answers?.find(([error]) => error !== null)?.[0]
      if (failed) await written('copying limits', Promise.reject(failed))
    }
    return commands.length
  } finally {
    await close()
  }
}

export function countLimits(file: DataFile, prefix: string, nowMs: number): number {
  return commandsFor(file, { from: prefix, to: prefix }, nowMs).length
}

/** One list of commands for each reservation or figure, budget and window. */
function commandsFor({ db }: DataFile, { from, to }: MovedPrefix, nowMs: number): Commands[] {
  const own = `${from}:`
  const names = limitsPrefix(to)
  const rows = (table: string, column: string, untilMs: string) =>
    db
      .prepare(`SELECT * FROM ${table} WHERE ${column} >= ? AND ${column} < ? AND ${untilMs} > ?`)
      .all(own, `${own}\u{10FFFF}`, nowMs)
  const nameOf = (text: unknown): string => String(text).slice(own.length)

  const takers = rows('limit_takers', 'id', 'until_ms').map((row): Commands => {
    const [id, untilMs, settled] = [nameOf(row['id']), Number(row['until_ms']), row['settled'] === 1]
    const entries = (JSON.parse(String(row['entries'])) as Entry[]).map(entryOf)
    const text = JSON.stringify({ s: settled, a: Number(row['alternative']), e: entries })
    const key = `${names}:taker:${id}`
    if (settled) return [['set', key, text, 'px', untilMs - nowMs]]
    return [
      ['set', key, text],
      ['zadd', `${names}:endings`, untilMs, id],
    ]
  })
  const budgets = rows('limit_budgets', 'key', 'keep_until_ms').map((row): Commands => {
    const key = `${names}:budget:${nameOf(row['key'])}`
    const [settled, reserved, warned] = [row['settled'], row['reserved'], row['warned']].map(Number)
    return [
      ['hset', key, 'settled', settled ?? 0, 'reserved', reserved ?? 0, 'warned', warned ?? 0],
      ['pexpireat', key, Number(row['keep_until_ms'])],
    ]
  })
  const windows = Map.groupBy(rows('limit_windows', 'key', 'until_ms'), (row) => nameOf(row['key']))
  return [
    ...takers,
    ...budgets,
    ...[...windows].map(([key, of]) => windowCommands(`${names}:`, key, of, nowMs)),
  ]
}

/** As the script of the limits keeps them (redis-script.ts). */
const entryOf = (entry: Entry) =>
  entry.form === 'budget'
    ? { b: 1, k: entry.key, n: entry.amount }
    : { b: 0, k: entry.key, n: entry.amount, t: entry.atMs }

function windowCommands(
  names: string,
  name: string,
  rows: readonly Record<string, unknown>[],
  nowMs: number,
): Commands {
  const members = rows.map((row) => {
    const id = String(row['id'])
    return { id, atMs: Number(row['at_ms']), amount: Number(row['amount']), untilMs: Number(row['until_ms']) }
  })
  const lastMs = Math.max(...members.map(({ atMs, untilMs }) => 2 * untilMs - atMs))
  const [window, sum] = [`${names}window:${name}`, `${names}sum:${name}`]
  return [
    ['zadd', window, ...members.flatMap(({ id, atMs, amount }) => [atMs, `${id}:${amount}`])],
    ['set', sum, members.reduce((total, { amount }) => total + amount, 0), 'px', lastMs - nowMs],
    ['pexpireat', window, lastMs],
  ]
}
