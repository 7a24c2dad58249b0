import type { Notification } from '../events.ts'

/** A channel that notifies people. */
export interface Channel {
  /**
   * Resolves with the answer of the other side. Rejects with CHANNEL_UNAVAILABLE if a retry may help, else
   * with CHANNEL_REFUSED or CHANNEL_NOT_CONFIGURED.
   */
  send(notification: Notification, signal: AbortSignal): Promise<string>
}
