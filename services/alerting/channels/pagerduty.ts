// PagerDuty's Events API v2: an incident for each alert, opened and closed by the alert's id as dedup_key.
import type { Notice } from '../events.ts'
import { post } from './http.ts'
import type { Channel } from './port.ts'

const MAX_SUMMARY_CHARS = 1_024

export function pagerduty({ url, routingKey }: { url: string; routingKey: string }): Channel {
  const sendEvent = (action: 'trigger' | 'resolve', notice: Notice, signal: AbortSignal): Promise<string> => {
    const body = { routing_key: routingKey, event_action: action, dedup_key: notice.alertId }
    const event = action === 'trigger' ? { ...body, ...payloadOf(notice) } : body
    return post(url, JSON.stringify(event), { 'content-type': 'application/json' }, signal)
  }
  return {
    async send({ notices }, signal) {
      let answer = ''
      for (const notice of notices) {
        if (notice.kind !== 'resolved') answer = await sendEvent('trigger', notice, signal)
        // A test leaves no open incident.
        if (notice.kind === 'resolved' || notice.kind === 'test')
          answer = await sendEvent('resolve', notice, signal)
      }
      return answer
    },
  }
}

function payloadOf({ rule, severity, value, threshold, message, runbook, atMs, alertId }: Notice) {
  return {
    payload: {
      summary: message.slice(0, MAX_SUMMARY_CHARS),
      source: 'flotilla',
      severity,
      timestamp: new Date(atMs).toISOString(),
      component: 'fleet',
      class: rule,
      custom_details: { alertId, value, threshold, runbook },
    },
    ...(runbook !== null && URL.canParse(runbook) ? { links: [{ href: runbook, text: 'Runbook' }] } : {}),
  }
}
