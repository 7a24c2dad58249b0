import { systemClock, type Clock } from '../../clock.ts'
import { Accounts, type Budget, type Tables, type Taken } from '../../limits/accounts.ts'
import type { Limits, SettleRequest } from '../../limits/port.ts'
import type { KeyValue, ValueHead } from '../../store/port.ts'

interface MemoryLimitsOptions {
  readonly clock?: Clock
  /** The store on whose values a settling may depend. */
  readonly keyValue?: Pick<KeyValue, 'get'>
}

/** For the simulator and unit tests: operations take effect at once and resolve in the next microtask. */
export function memoryLimits({ clock = systemClock, keyValue }: MemoryLimitsOptions = {}): Limits {
  const accounts = new Accounts(memoryTables())
  return {
    reserve: async (request) => accounts.reserve(request, clock.now()),
    settle: async (request) => accounts.settle(request, clock.now()),
    ...(keyValue && {
      settleIf: async (request: SettleRequest, { key, begins }: ValueHead) =>
        (await keyValue.get(key))?.startsWith(begins) ? accounts.settle(request, clock.now()) : null,
    }),
    release: async (id) => accounts.release(id),
    end: async (id) => accounts.end(id),
    budgets: async (keyPrefix) => accounts.budgets(keyPrefix, clock.now()),
    correct: async (key, settled, resetsAtMs) => accounts.correct(key, settled, resetsAtMs),
    check: async () => undefined,
    close: async () => undefined,
  }
}

interface WindowEntry {
  readonly id: string
  readonly atMs: number
  readonly amount: number
}

function memoryTables(): Tables {
  const taken = new Map<string, { taken: Taken; untilMs: number }>()
  const budgets = new Map<string, Budget>()
  const windows = new Map<string, WindowEntry[]>()
  /** No reservation ends before this. */
  let earliestMs = Infinity
  const ended = (nowMs: number): string[] => {
    if (nowMs < earliestMs) return []
    earliestMs = Infinity
    const ids: string[] = []
    for (const [id, { untilMs }] of taken) {
      if (untilMs <= nowMs) ids.push(id)
      else earliestMs = Math.min(earliestMs, untilMs)
    }
    return ids
  }
  const windowOf = (key: string): WindowEntry[] => windows.get(key) ?? []
  return {
    taken: (id) => taken.get(id)?.taken ?? null,
    setTaken: (id, value, untilMs) => {
      taken.set(id, { taken: value, untilMs })
      earliestMs = Math.min(earliestMs, untilMs)
    },
    deleteTaken: (id) => void taken.delete(id),
    ended,
    budget: (key) => copied(budgets.get(key)),
    setBudget: (key, budget) => void budgets.set(key, budget),
    updateBudget: (key, budget) => void budgets.set(key, budget),
    budgets: (keyPrefix) =>
      [...budgets]
        .filter(([key]) => key.startsWith(keyPrefix))
        .map(([key, { settled, reserved }]) => ({ key, settled, reserved }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
    windowSum: (key, untilMs) => {
      const live = windowOf(key).filter(({ atMs }) => atMs > untilMs)
      windows.set(key, live)
      return live.reduce((sum, { amount }) => sum + amount, 0)
    },
    windowAdd: (key, id, atMs, amount) =>
      void windows.set(
        key,
        [...windowOf(key).filter((entry) => entry.id !== id), { id, atMs, amount }].sort(
          (a, b) => a.atMs - b.atMs,
        ),
      ),
    windowRemove: (key, id) =>
      void windows.set(
        key,
        windowOf(key).filter((entry) => entry.id !== id),
      ),
    windowEntries: (key) => windowOf(key),
  }
}

function copied(budget: Budget | undefined): Budget | null {
  return budget ? { ...budget } : null
}
