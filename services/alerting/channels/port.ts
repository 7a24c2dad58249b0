import type { Notification } from '../events.ts'

/** A way to tell people. */
export interface Channel {
  /**
   * Resolves with what the other side answered. Rejects with CHANNEL_UNAVAILABLE where a later try may help, else with
   * CHANNEL_REFUSED or CHANNEL_NOT_CONFIGURED.
   */
  send(notification: Notification, signal: AbortSignal): Promise<string>
}
