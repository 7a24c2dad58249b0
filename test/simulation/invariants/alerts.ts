// Alerts of each rule: raised, again while it keeps firing, resolved once, one after the other.
import { grouped, readEvidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

export async function checkAlerts({ world, outside, deadly }: Simulation): Promise<string[]> {
  const evidence = await readEvidence(world)
  const { written } = evidence
  const alerts = written.filter(({ type }) => type === 'AlertRaised' || type === 'AlertResolved')
  const violations: string[] = []
  for (const [rule, events] of grouped(alerts, ({ data }) => ('rule' in data ? data.rule : ''))) {
    const steps = events.map(({ type, data }) => ({ type, alertId: 'alertId' in data ? data.alertId : '' }))
    const isLife = steps.every(({ type, alertId }, index) => {
      const before = steps[index - 1]
      const isNew = before === undefined || before.type === 'AlertResolved'
      return isNew
        ? type === 'AlertRaised' && steps.findIndex((step) => step.alertId === alertId) === index
        : alertId === before.alertId
    })
    if (!isLife || steps.at(-1)?.type !== 'AlertResolved')
      violations.push(
        `alerts of ${rule}: ${steps.map(({ type, alertId }) => `${type} ${alertId}`).join(', ')}`,
      )
  }
  const endings = grouped(
    written.filter(({ type }) => type === 'NotificationEnded'),
    ({ data }) => ('notificationId' in data ? data.notificationId : ''),
  )
  const givenUp = evidence
    .of('DeadLettered')
    .map(({ data }) => data)
    .filter((letter) => letter.stage === 'alerting' && deadly.isCoincidence(letter, world))
  for (const { type, data } of written) {
    if (type !== 'NotificationRequested' || !('notificationId' in data)) continue
    if (givenUp.some(({ message }) => message.endsWith(data.notificationId))) continue
    const ended = endings.get(data.notificationId) ?? []
    const isDelivered = ended.some((ending) => 'status' in ending.data && ending.data.status === 'delivered')
    if (ended.length !== 1) violations.push(`notification ${data.notificationId} ended ${ended.length} times`)
    // Notified at least once: after a crash perhaps twice, but never not at all.
    else if (isDelivered && !outside.shown.has(data.notificationId))
      violations.push(`notification ${data.notificationId} was delivered to nobody`)
  }
  return violations
}
