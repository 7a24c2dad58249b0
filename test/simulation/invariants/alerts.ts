// Alerts of each rule.
import { grouped, readEvidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

export async function checkAlerts({ world, outside }: Simulation): Promise<string[]> {
  const { written } = await readEvidence(world)
  const alerts = written.filter(({ type }) => type === 'AlertRaised' || type === 'AlertResolved')
  const violations: string[] = []
  for (const [rule, events] of grouped(alerts, ({ data }) => ('rule' in data ? data.rule : ''))) {
    const types = events.map(({ type }) => type)
    const isAlternating = types.every((type, index) => (type === 'AlertRaised') === (index % 2 === 0))
    if (!isAlternating || types.at(-1) !== 'AlertResolved')
      violations.push(`alerts of ${rule}: ${types.join(', ')}`)
  }
  const endings = grouped(
    written.filter(({ type }) => type === 'NotificationEnded'),
    ({ data }) => ('notificationId' in data ? data.notificationId : ''),
  )
  for (const { type, data } of written) {
    if (type !== 'NotificationRequested' || !('notificationId' in data)) continue
    const ended = endings.get(data.notificationId) ?? []
    const isDelivered = ended.some((ending) => 'status' in ending.data && ending.data.status === 'delivered')
    if (ended.length !== 1) violations.push(`notification ${data.notificationId} ended ${ended.length} times`)
    // Notified at least once: after a crash perhaps twice, but never not at all.
    else if (isDelivered && !outside.shown.has(data.notificationId))
      violations.push(`notification ${data.notificationId} was delivered to nobody`)
  }
  return violations
}
