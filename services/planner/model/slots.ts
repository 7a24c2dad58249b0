// Slots of a provider: how many calls one process makes at once, shared fairly among users.
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { SlotsOf } from '../../../runtime/host/slots.ts'
import { callLimitsOf } from '../../../runtime/models/call-limits.ts'
import { parseModel } from '../../../runtime/models/names.ts'
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
    const { model, userId } = request as ModelRequest
    const { provider } = parseModel(model)
    const limit = Object.hasOwn(models.providers, provider) ? limitOf(provider) : null
    return limit === null ? null : { name: `model:${provider}`, limit, holder: userId ?? '' }
  }
}
