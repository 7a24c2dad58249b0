// The keyboard: single keys, and `g` with a second one. Keys typed into a field belong to the field.

type Actions = Readonly<Record<string, () => void>>

const bound = new Set<Actions>()
const CHORD_MS = 1_200
let chordAtMs = -Infinity

/** `'g t'` is g, then t. The latest binding of a key wins. */
export function onKeys(actions: Actions): () => void {
  bound.add(actions)
  return () => bound.delete(actions)
}

const isField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

export function listenToKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    if (isField(event.target)) {
      if (event.key === 'Escape') (event.target as HTMLElement).blur()
      return
    }
    if (document.querySelector('dialog[open]')) return
    const isSecond = event.timeStamp - chordAtMs < CHORD_MS
    chordAtMs = event.key === 'g' && !isSecond ? event.timeStamp : -Infinity
    const key = isSecond ? `g ${event.key}` : event.key
    const action = [...bound].findLast((actions) => Object.hasOwn(actions, key))?.[key]
    if (action === undefined) return
    event.preventDefault()
    action()
  })
}
