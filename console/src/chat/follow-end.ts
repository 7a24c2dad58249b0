// Keeps the end of a list that grows in sight, until somebody scrolls up in it.
import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

/** So close to the end is at the end. */
const NEAR_PX = 40

export interface FollowedEnd {
  readonly list: RefObject<HTMLDivElement | null>
  readonly onScroll: () => void
  /** From now on, whatever was scrolled to. */
  readonly follow: () => void
  /** Not until the end is scrolled to. */
  readonly rest: () => void
}

/** `grown`: changes whenever the list may have grown. */
export function useFollowedEnd(grown: number): FollowedEnd {
  const list = useRef<HTMLDivElement>(null)
  const isFollowing = useRef(true)
  const lastTop = useRef(0)
  useEffect(() => {
    const { current } = list
    if (current && isFollowing.current) current.scrollTop = current.scrollHeight
  }, [grown])
  const onScroll = (): void => {
    const { current } = list
    if (!current) return
    const { scrollTop, scrollHeight, clientHeight } = current
    // Not the distance alone: by the time of this event the list has grown again below what it was scrolled to.
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX) isFollowing.current = true
    else if (scrollTop < lastTop.current) isFollowing.current = false
    lastTop.current = scrollTop
  }
  const follow = (): void => void (isFollowing.current = true)
  const rest = (): void => void (isFollowing.current = false)
  return { list, onScroll, follow, rest }
}
