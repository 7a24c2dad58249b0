// Slots of a provider: how many calls one process makes at once, shared fairly among users.
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { SlotsOf } from '../../../runtime/host/slots.ts'
import { decodeKey } from '../../../runtime/keys.ts'
import { callLimitsOf } from '../../../runtime/models/call-limits.ts'
import { parseModel } from '../../../runtime/models/names.ts'
import type { Emit } from '../../../runtime/stage.ts'
import type { ModelRequest } from '../call.ts'

export function modelSlots({ models }: Pick<Fleet, 'models'>): SlotsOf {
  const limits = new Map<string, number | null>()
  const limitOf = (provider: string): number | null => {
    const limit = limits.get(provider) ?? callLimitsOf(provider, models.providers[provider]).concurrency
    limits.set(provider, limit)
    return limit
  }
  return ({ kind, request }) => {
    if (kind !== 'model') return null
    const { model, userId, step } = request as ModelRequest
    const { provider } = parseModel(model)
    const limit = Object.hasOwn(models.providers, provider) ? limitOf(provider) : null
    if (limit === null) return null
    const waiting = (key: string, atMs: number) => waitingEvent({ key, atMs, provider, limit, step })
    return { name: `model:${provider}`, limit, holder: userId ?? '', waiting }
  }
}

interface Wait {
  readonly key: string
  readonly atMs: number
  readonly provider: string
  readonly limit: number
  readonly step: number
}

function waitingEvent({ key, atMs, provider, limit, step }: Wait): Emit {
  const reason = `all ${limit} slots of ${provider} are in use (models.providers.${provider}.concurrency)`
  const detail = { for: 'slot', target: provider, reason }
  const taskId = decodeKey(key).root
  const data = { taskId, stage: 'planner', kind: 'waiting' as const, step, atMs, detail }
  return { topic: 'tasks.streaming', type: 'TaskProgressed', key: taskId, data }
}
