// Says that the tab has another console than the fleet.
import { useEffect } from 'preact/hooks'
import { recoveries } from '../api/link.ts'
import { isOtherRelease, lookSafely } from '../api/release.ts'
import { isOpen } from '../api/session.ts'

export function OtherRelease() {
  const count = recoveries.value
  // A gateway that was away may be another one.
  useEffect(() => void (count > 0 && lookSafely()), [count])
  if (!isOtherRelease.value) return null
  return (
    <p class="notice release-notice" role="status">
      The fleet has another release of the console than this tab. What you typed is kept
      {isOpen.value ? '' : '; you may have to sign in again'}.{' '}
      <button class="link" onClick={() => location.reload()}>
        Reload
      </button>
    </p>
  )
}
